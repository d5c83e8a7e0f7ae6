package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/admin"
	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/dns"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/proxy"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
	"github.com/gatelab/gatelab/gateway/internal/reload"
	"github.com/gatelab/gatelab/gateway/internal/settings"
	"github.com/gatelab/gatelab/gateway/internal/store"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
	"github.com/gatelab/gatelab/gateway/internal/vault"
)

// openStore makes the store; it does not wait for Postgres. metrics and log may
// be nil.
func openStore(ctx context.Context, s *settings.Settings, metrics prometheus.Registerer, log *slog.Logger) (*store.Postgres, error) {
	return store.Open(ctx, store.Config{
		DSN: s.PostgresDSN, MaxConns: s.PostgresMaxConns, AcquireTimeout: s.PostgresAcquireTimeout,
		PollInterval: s.PostgresPollInterval, QueryTimeout: s.PostgresQueryTimeout, Log: log,
		Schemas: all.Plugins().Catalog(),
	}, metrics)
}

// makeStores makes what keeps state: Postgres, Redis, the cache, the limits.
func (p *program) makeStores() (err error) {
	s := p.settings
	if s.Database != settings.DatabaseOff {
		// Its pool ends with Close: a drain still needs it.
		if p.store, err = openStore(context.Background(), s, p.metrics, p.log.With("part", "store")); err != nil {
			return err
		}
		p.onClose(p.store.Close)
	}
	roots, err := readCAs("redis_ca_file", s.RedisCAFile)
	if err != nil {
		return err
	}
	p.redis = redisconn.NewRegistry(redisconn.Config{
		RootCAs: roots, Log: p.log.With("part", "redis"),
		DialTimeout: s.RedisDialTimeout, Timeout: s.RedisTimeout, PoolSize: s.RedisPoolSize,
		BreakAfter: s.RedisBreakAfter, BreakFor: s.RedisBreakFor,
	}, p.metrics)
	p.onClose(func() { _ = p.redis.Close() })
	memory := s.CacheMemory
	if memory == 0 {
		memory = -1 // in the cache's own configuration 0 is the default
	}
	p.cache, err = cache.New(cache.Config{
		MemoryBytes: memory, MaxEntryBytes: int(s.CacheMaxEntry), WriteQueue: s.CacheWriteQueue, WaitFor: s.CacheWait,
	}, p.metrics, p.log)
	if err != nil {
		return err
	}
	p.onClose(func() { _ = p.cache.Close() })
	p.limits = limit.New(limit.Config{Timeout: s.RedisTimeout}, p.metrics)
	p.onClose(func() { p.limits.Close() })
	p.queues, err = logqueue.NewRegistry(p.metrics, p.log.With("part", "plugin"))
	if err != nil {
		return err
	}
	p.onClose(p.queues.Close)
	return nil
}

// makePools makes the upstreams' connection pools.
func (p *program) makePools() error {
	s := p.settings
	roots, err := readCAs("upstream_ca_file", s.UpstreamCAFile)
	if err != nil {
		return err
	}
	p.pools = upstream.NewPools(upstream.Config{
		Keepalive: s.UpstreamKeepalive, KeepaliveIdle: s.UpstreamIdleTimeout, StreamAbove: int(s.UpstreamMaxBuffered),
		HeaderBytes: int(s.UpstreamHeaderBytes), RootCAs: roots, VerifyTLS: s.UpstreamTLSVerify,
		EjectAfter: s.UpstreamEjectAfter, EjectFor: s.UpstreamEjectFor,
		Resolver:      dns.New(dns.Config{Order: s.DNSOrder, Servers: s.DNSResolver, Valid: s.DNSValidTTL}),
		RetryStatuses: s.RetryStatuses, RetryBudget: s.RetryBudget, RetryMin: s.RetryMin, Log: p.log.With("part", "upstream"),
	}, p.metrics)
	p.onClose(p.pools.Close)
	return nil
}

// makeDataPlane makes the pools, the proxy and its server.
func (p *program) makeDataPlane() error {
	s := p.settings
	if err := p.makePools(); err != nil {
		return err
	}
	trusted, err := prefixes(s.TrustedProxies)
	if err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	config := proxy.Config{
		NodeName: s.NodeName, NodeHeader: s.NodeHeader, RevisionHeader: s.RevisionHeader,
		MaxBodyBytes: s.ClientBodyBytes, StreamAbove: s.UpstreamMaxBuffered,
		TrustedProxies: trusted, Via: s.ViaName, PathAmbiguity: s.PathAmbiguity, Underscores: s.Underscores,
		AccessLog: s.AccessLog, AccessLogRate: s.AccessLogRate, AccessLines: p.access.With("part", "proxy"),
		Resolve: func(cfg *entity.Config) (*entity.Config, error) {
			return vault.Resolve(cfg, p.plugins.Catalog(), os.LookupEnv)
		},
	}
	if s.TLSStapling {
		config.Staple = proxy.StapleEvery
	}
	if s.Lookup == "database" {
		config.Revisions = revisions{p}
	}
	deps := &plugin.Deps{
		Plugins: p.plugins, Cache: p.cache, Limits: p.limits, Redis: p.redis, Queues: p.queues,
		Registerer: p.metrics,
		Log:        p.log.With("part", "plugin"), NodeName: s.NodeName, Node: p.node(),
		MaxBodyBytes: int(s.PluginBodyBytes),
	}
	if p.store != nil {
		deps.Tokens = p.store
	}
	if err := p.plugins.RegisterMetrics(p.metrics); err != nil {
		return err
	}
	p.proxy = proxy.New(config, deps, p.pools, p.metrics, p.log.With("part", "proxy"))
	p.onClose(p.proxy.Close)
	senders, err := prefixes(s.ProxyProtocol)
	if err != nil {
		return fmt.Errorf("proxy_protocol_from: %w", err)
	}
	certificates, err := clientTLS(s)
	if err != nil {
		return err
	}
	p.server = proxy.NewServer(p.proxy, proxy.ServerConfig{
		MaxConnections: s.MaxConnections, MaxHeaderBytes: int(s.ClientHeaderBytes), IdleTimeout: s.IdleTimeout,
		HeaderTimeout: s.ClientHeaderTimeout, ReadTimeout: s.ClientReadTimeout, BodyRate: int64(s.ClientBodyRate),
		WriteTimeout: s.ClientWriteTimeout, ResponseRate: int64(s.ClientResponseRate), DrainIdle: s.DrainIdle,
		ProxyProtocol: senders,
		TLS:           certificates, HTTP2: proxy.HTTP2Config{MaxStreams: s.HTTP2Streams},
	}, p.metrics)
	return nil
}

// makeReloader makes what keeps the proxy at the newest revision.
func (p *program) makeReloader() error {
	if p.store == nil {
		p.makeFile()
		return nil
	}
	p.targets = admin.NewTargets(balancers{p.pools}, p.store, p.log.With("part", "admin"))
	p.reloader = reload.New(p.store, p.proxy, reload.Config{
		Permanent: func(err error) bool { return errors.Is(err, store.ErrExecMode) },
		Undecodable: func(err error) (int64, bool) {
			var unreadable *store.UnreadableError
			if errors.As(err, &unreadable) {
				return unreadable.Revision, true
			}
			return 0, false
		},
		Receive: p.targets.Receive, Waiting: p.readiness.Waiting, Log: p.log,
	}, p.metrics)
	return nil
}

// revisions is the store as the proxy asks it on every request.
type revisions struct{ program *program }

func (r revisions) Revision(ctx context.Context) (int64, error) {
	n, err := r.program.store.Revision(ctx)
	return n, busy(err)
}

func (r revisions) Refresh(ctx context.Context) error { return busy(r.program.reloader.Load(ctx)) }

// busy marks the error of an exhausted pool as the proxy's.
func busy(err error) error {
	if errors.Is(err, store.ErrPoolExhausted) {
		return fmt.Errorf("%w: %w", proxy.ErrBusy, err)
	}
	return err
}

// node is what the prometheus plugin reports of this process.
func (p *program) node() plugin.Node {
	return plugin.Node{
		ID: p.settings.NodeName, Version: version,
		Connections: func() plugin.Connections { return p.server.Connections() },
		Reachable: func() bool {
			return p.store == nil || p.store.Reachable() // without a database as Kong says
		},
		Targets: func() (all []plugin.TargetHealth) {
			for id, name := range p.pools.Upstreams() {
				for target, s := range p.pools.Standings(id) {
					all = append(all, plugin.TargetHealth{
						Upstream: name, Target: target, Addresses: s.Addresses, State: strings.ToLower(s.Health),
					})
				}
			}
			return all
		},
	}
}

// readCAs returns the certificates of a setting's PEM file, nil for no file.
func readCAs(setting, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s: want at least one certificate in PEM", setting, path)
	}
	return roots, nil
}

// prefixes turns single addresses into blocks of one.
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
