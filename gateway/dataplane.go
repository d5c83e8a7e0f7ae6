package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/limit"
	"gatelab/gateway/internal/plugin"
	"gatelab/gateway/internal/proxy"
	"gatelab/gateway/internal/store"
	"gatelab/gateway/internal/upstream"
)

// makeDataPlane wires the proxy and its server. The store is asked later, when
// there is one.
func (p *program) makeDataPlane() error {
	s := p.settings
	trusted, err := prefixes(s.trustedProxies)
	if err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	p.limits = limit.New(limit.Config{Timeout: s.redisTimeout}, p.metrics)
	p.atClose(func() { p.limits.Close() })
	roots, err := rootCAs(s.upstreamCAFile)
	if err != nil {
		return fmt.Errorf("upstream_ca_file: %w", err)
	}
	p.pools = upstream.NewPools(upstream.Config{
		Keepalive: s.upstreamKeepalive, KeepaliveIdle: s.upstreamIdleTimeout, StreamAbove: int(s.upstreamMaxBuffered),
		HeaderBytes: int(s.upstreamHeaderBytes), RootCAs: roots, VerifyTLS: s.upstreamTLSVerify, EjectAfter: s.upstreamEjectAfter, EjectFor: s.upstreamEjectFor,
		RetryStatuses: s.retryStatuses, RetryBudget: s.retryBudget, RetryMin: s.retryMin, Log: p.log.With("part", "upstream"),
	}, p.metrics)
	p.atClose(p.pools.Close)

	config := proxy.Config{
		NodeName: s.nodeName, NodeHeader: s.nodeHeader, MaxBodyBytes: s.clientBodyBytes, StreamAbove: s.upstreamMaxBuffered,
		TrustedProxies: trusted, Via: s.viaName, PathAmbiguity: s.pathAmbiguity, Underscores: s.underscores,
		AccessLog: s.accessLog, AccessLogRate: s.accessLogRate,
		Resolve: func(cfg *entity.Config) (*entity.Config, error) { return resolveReferences(cfg, os.LookupEnv) },
	}
	if s.lookup == "database" {
		config.Revisions = revisions{p}
	}
	deps := &plugin.Deps{
		Cache: p.cache, Limits: p.limits, Redis: p.redis, Registerer: p.metrics,
		Log: p.log.With("part", "plugin"), NodeName: s.nodeName, Node: p.node(),
	}
	if err := plugin.RegisterMetrics(p.metrics); err != nil {
		return err
	}
	p.proxy = proxy.New(config, deps, p.pools, p.metrics, p.log.With("part", "proxy"))
	p.atClose(p.proxy.Close)
	p.server = proxy.NewServer(p.proxy, proxy.ServerConfig{
		MaxConnections: s.maxConnections, MaxHeaderBytes: int(s.clientHeaderBytes), IdleTimeout: s.idleTimeout,
		HeaderTimeout: s.clientHeaderTimeout, ReadTimeout: s.clientReadTimeout, BodyRate: int64(s.clientBodyRate),
		WriteTimeout: s.clientWriteTimeout, ResponseRate: int64(s.clientResponseRate), DrainIdle: s.drainIdle,
	})
	p.health.configured = func() bool { return p.proxy.Revision() >= 0 }
	p.health.revision = p.proxy.Revision
	return nil
}

// rootCAs are the certificates of a PEM file, nil for no file.
func rootCAs(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: want at least one certificate in PEM", path)
	}
	return roots, nil
}

// prefixes takes single addresses for blocks of one.
func prefixes(list []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(list))
	for _, item := range list {
		block, err := netip.ParsePrefix(item)
		if err != nil {
			addr, err := netip.ParseAddr(item)
			if err != nil {
				return nil, err
			}
			block = netip.PrefixFrom(addr, addr.BitLen())
		}
		out = append(out, block)
	}
	return out, nil
}

// startStore connects, brings the schema up to date, and applies the first
// configuration. Postgres may still be starting: for pg_start_timeout that is
// no error.
func (p *program) startStore(ctx context.Context) error {
	opened, err := openStore(ctx, p.settings, p.metrics, p.log.With("part", "store"))
	if err != nil {
		return err
	}
	p.store = opened
	p.atClose(opened.Close)
	deadline := time.Now().Add(p.settings.pgStartTimeout)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := p.tryStore(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrExecMode) || !time.Now().Add(wait).Before(deadline) {
			return fmt.Errorf("start with Postgres %s: %w", hidePassword(p.settings.pgDSN), err)
		}
		p.log.Warn("waiting for Postgres", "error", err, "again_in", wait.String())
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (p *program) tryStore(ctx context.Context) error {
	if err := p.store.Migrate(ctx); err != nil {
		return err
	}
	err := p.applyNewest(ctx)
	var failed *proxy.ApplyError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	// A configuration that cannot be applied must not keep the Admin API from
	// starting: it is how the configuration is mended.
	if err != nil {
		p.log.Error("the configuration cannot be applied; not ready", "error", err)
	}
	return nil
}

// applyNewest reads the newest configuration and puts it into use. The error is a
// *proxy.ApplyError where it was read, but is of no use.
func (p *program) applyNewest(ctx context.Context) error {
	// Asked first: what is read is this revision, or a newer one.
	revision, err := p.store.Revision(ctx)
	if err != nil {
		return err
	}
	cfg, err := p.store.Snapshot(ctx)
	if errors.Is(err, store.ErrUnreadable) {
		return p.proxy.Refuse(revision, err)
	}
	if err != nil {
		return err
	}
	return p.proxy.Apply(cfg)
}

// watch applies every new revision. While Postgres is away the last snapshot
// goes on serving.
func (p *program) watch(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error {
		err := p.store.Watch(ctx, func(int64) {
			select {
			case p.reload <- struct{}{}:
			default: // one is on its way, and will see this revision too
			}
		}, p.heard)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("watch the configuration: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		return p.store.Prune(ctx, store.Pruning{Keep: p.settings.revisionsKeep, KeepFor: p.settings.revisionsKeepFor})
	})
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-p.reload:
			}
			began := time.Now()
			p.reloadUntilDone(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(restAfter(time.Since(began))):
			}
		}
	})
}

// restAfter is how long a replica leaves the configuration alone after a reload
// that took so long: changes that come faster are applied together, and take a
// fifth of a core's time at most from the requests. The first change after a rest
// is applied at once.
func restAfter(took time.Duration) time.Duration { return min(4*took, 2*time.Second) }

// reloadUntilDone tries again while Postgres cannot be asked, because nobody
// will announce this revision a second time.
func (p *program) reloadUntilDone(ctx context.Context) {
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := p.applyNewest(ctx)
		if err == nil {
			return
		}
		var failed *proxy.ApplyError
		if errors.As(err, &failed) { // until a later revision mends it
			p.log.Error("the new configuration cannot be applied; the old one goes on", "error", err)
			return
		}
		p.log.Warn("the new configuration cannot be read; the old one goes on", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// revisions is the store as the proxy asks it on every request.
type revisions struct{ program *program }

func (r revisions) Revision(ctx context.Context) (int64, error) {
	n, err := r.program.store.Revision(ctx)
	if isPoolExhausted(err) {
		return 0, fmt.Errorf("%w: %w", proxy.ErrBusy, err)
	}
	return n, err
}

func (r revisions) Refresh(ctx context.Context) error {
	err := r.program.applyNewest(ctx)
	if isPoolExhausted(err) {
		return fmt.Errorf("%w: %w", proxy.ErrBusy, err)
	}
	return err
}

func (p *program) adminHandler() http.Handler {
	return withProxyCache(newAdmin(p), p.cache, p.log)
}

// quietRedis drops go-redis's own lines: its failures are returned, counted
// and, where they matter, logged.
func quietRedis() { redis.SetLogger(noRedisLog{}) }

type noRedisLog struct{}

func (noRedisLog) Printf(context.Context, string, ...any) {}

// migrate is the command that only brings the schema up to date.
func migrate(c *call) error {
	s, err := openStore(c.ctx, &c.settings, nil, nil)
	if err != nil {
		return fmt.Errorf("open Postgres %s: %w", hidePassword(c.settings.pgDSN), err)
	}
	defer s.Close()
	if err := s.Migrate(c.ctx); err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, "the schema is up to date")
	return nil
}

// check is the command that shows the settings, which are right if it is
// called at all, and may ask Postgres.
func check(c *call) error {
	printSettings(c.stdout, c.table)
	if _, err := openTokens(&c.settings, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if _, err := newAdminTLS(&c.settings, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	for name, path := range map[string]string{"upstream_ca_file": c.settings.upstreamCAFile, "redis_ca_file": c.settings.redisCAFile} {
		if _, err := rootCAs(path); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.settings.isOpen() {
		fmt.Fprintf(c.stdout, "\nWarning: admin_listen=%s: %s\n", c.settings.adminListen, openAdmin)
	}
	if len(c.settings.ignored) > 0 {
		fmt.Fprintf(c.stdout, "\nVariables of Kong that are ignored: %s\n", strings.Join(c.settings.ignored, ", "))
	}
	if !c.askPostgres {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	if err := askPostgres(ctx, c.settings.pgDSN); err != nil {
		return fmt.Errorf("ask Postgres %s: %w", hidePassword(c.settings.pgDSN), err)
	}
	fmt.Fprintln(c.stdout, "\nPostgres answers")
	return nil
}

func askPostgres(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.Ping(ctx)
}
