package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"gatelab/gateway/internal/admin"
	"gatelab/gateway/internal/cache"
	"gatelab/gateway/internal/limit"
	"gatelab/gateway/internal/proxy"
	"gatelab/gateway/internal/redisconn"
	"gatelab/gateway/internal/store"
	"gatelab/gateway/internal/upstream"
	"gatelab/internal/webguard"
)

// program is the gateway, wired: newProgram, Run until its context ends,
// Close.
type program struct {
	settings *settings
	log      *slog.Logger
	metrics  *prometheus.Registry

	listeners struct{ proxy, admin, status net.Listener }
	redis     *redisconn.Registry
	cache     *cache.Store
	limits    *limit.Limiter
	pools     *upstream.Pools
	proxy     *proxy.Proxy
	server    *proxy.Server
	store     *store.Postgres
	health    health
	refusals  refusals
	guards    struct{ admin, status *webguard.Guard }
	tokens    *admin.Tokens // nil: the Admin API asks for none
	adminTLS  *adminTLS     // nil: it is served without TLS
	reload    chan struct{} // asks for the newest configuration; one is enough
	closers   []func()
	closing   sync.Once
}

// newProgram listens and makes the parts that need no Postgres. When it fails,
// nothing is left open.
func newProgram(s *settings, log *slog.Logger) (_ *program, err error) {
	p := &program{settings: s, log: log, metrics: prometheus.NewRegistry(), reload: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	if err := p.makeGuards(); err != nil {
		return nil, err
	}
	if err := p.listen(); err != nil {
		return nil, err
	}
	redisCAs, err := rootCAs(s.redisCAFile)
	if err != nil {
		return nil, fmt.Errorf("redis_ca_file: %w", err)
	}
	p.redis = redisconn.NewRegistry(redisconn.Config{
		RootCAs: redisCAs, Log: log.With("part", "redis"),
		DialTimeout: s.redisDialTimeout, Timeout: s.redisTimeout, PoolSize: s.redisPoolSize,
		BreakAfter: s.redisBreakAfter, BreakFor: s.redisBreakFor,
	}, p.metrics)
	p.atClose(func() { _ = p.redis.Close() })
	memory := s.cacheMemory
	if memory == 0 {
		memory = -1 // the cache's own zero is its default
	}
	p.cache, err = cache.New(cache.Config{
		MemoryBytes: memory, MaxEntryBytes: int(s.cacheMaxEntry), WriteQueue: s.cacheWriteQueue, WaitFor: s.cacheWait,
	}, p.metrics, log)
	if err != nil {
		return nil, err
	}
	p.atClose(func() { _ = p.cache.Close() })
	return p, p.makeDataPlane()
}

// atClose has f run by Close, before those that were given earlier.
func (p *program) atClose(f func()) { p.closers = append(p.closers, f) }

func (p *program) listen() error {
	for _, l := range []struct {
		name, addr string
		to         *net.Listener
	}{
		{"proxy_listen", p.settings.proxyListen, &p.listeners.proxy},
		{"admin_listen", p.settings.adminListen, &p.listeners.admin},
		{"status_listen", p.settings.statusListen, &p.listeners.status},
	} {
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			return fmt.Errorf("%s=%q: %w", l.name, l.addr, err)
		}
		*l.to = ln
		p.atClose(func() { _ = ln.Close() })
	}
	return nil
}

// Run serves until ctx ends and then drains. It returns the first error that
// made it stop, nil after a drain.
func (p *program) Run(ctx context.Context) error {
	// Serving goes on while ctx has ended, for as long as draining takes.
	serving, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	group, serving := errgroup.WithContext(serving)

	p.health.profiles = p.settings.pprof
	status := p.serveHTTP(group, p.listeners.status, p.guards.status.Wrap(statusHandler(&p.health, gatherer(p.metrics, p.log))), nil)
	if err := p.startStore(ctx); err != nil {
		stop(err)
		return p.end(group, status, err)
	}
	api := p.serveHTTP(group, p.listeners.admin, p.secureAdmin(p.adminHandler()), p.adminTLS)
	group.Go(func() error { return p.server.Serve(p.listeners.proxy) })

	watching, stopWatching := context.WithCancel(serving)
	defer stopWatching()
	p.watch(watching, group)
	p.log.Info("serving", "version", version, "proxy", p.listeners.proxy.Addr().String(),
		"admin", p.listeners.admin.Addr().String(), "status", p.listeners.status.Addr().String(), "lookup", p.settings.lookup)

	select {
	case <-ctx.Done():
	case <-serving.Done(): // a part failed: group.Wait says which
	}
	p.drain(api)
	stopWatching()
	return p.end(group, status, nil)
}

// end waits for every goroutine of the group; the status listener goes last,
// so that it can be seen how a drain is getting on.
func (p *program) end(group *errgroup.Group, status *http.Server, cause error) error {
	_ = status.Close()
	err := group.Wait()
	if cause != nil {
		return cause
	}
	return err
}

// drain says no to new clients, then waits for requests in flight.
func (p *program) drain(api *http.Server) {
	p.log.Info("draining", "timeout", p.settings.drainTimeout.String())
	p.health.draining.Store(true)
	p.server.Drain()
	time.Sleep(p.settings.drainDelay) // bounded by its setting; the balancer learns of it, and clients move on
	ctx, cancel := context.WithTimeout(context.Background(), p.settings.drainTimeout)
	defer cancel()
	if err := p.server.Shutdown(ctx); err != nil {
		p.log.Warn("requests were still in flight", "error", err)
	}
	if err := api.Shutdown(ctx); err != nil {
		_ = api.Close()
	}
}

// serveHTTP serves a net/http handler as part of the group, over TLS where secure
// is not nil.
func (p *program) serveHTTP(group *errgroup.Group, ln net.Listener, h http.Handler, secure *adminTLS) *http.Server {
	server := webguard.NewServer(h, p.settings.limits())
	server.ErrorLog = slog.NewLogLogger(p.log.Handler(), slog.LevelWarn)
	serve := func() error { return server.Serve(ln) }
	if secure != nil {
		server.TLSConfig = secure.server()
		serve = func() error { return server.ServeTLS(ln, "", "") }
	}
	group.Go(func() error {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", ln.Addr(), err)
		}
		return nil
	})
	return server
}

// Close frees what newProgram and Run made. It may be called twice.
func (p *program) Close() {
	p.closing.Do(func() {
		for i := len(p.closers) - 1; i >= 0; i-- {
			p.closers[i]()
		}
	})
}

func buildInfo() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_build_info", Help: "1, labelled with the version of the gateway and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	}, func() float64 { return 1 })
}

// serve is the command that runs the gateway.
func serve(c *call) error {
	log := newLogger(&c.settings, c.stderr)
	quietRedis()
	if len(c.settings.ignored) > 0 {
		log.Warn("variables of Kong that mean nothing here are ignored", "variables", c.settings.ignored)
	}
	if c.settings.scheduling == "batch" {
		if err := scheduleInBatches(); err != nil {
			return fmt.Errorf("scheduling=batch: %w", err)
		}
	}
	t := tune(&c.settings, c.isDefault, "/")
	defer runtime.KeepAlive(t.floor)
	log.Info("runtime", "procs", t.procs, "gc_percent", t.gcPercent, "memory_limit", formatBytes(t.memoryLimit))
	p, err := newProgram(&c.settings, log)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Run(c.ctx)
}
