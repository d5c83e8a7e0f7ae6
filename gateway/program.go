package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/gateway/internal/admin"
	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/dbless"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/listen"
	"github.com/gatelab/gatelab/gateway/internal/logline"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/proxy"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
	"github.com/gatelab/gatelab/gateway/internal/reload"
	"github.com/gatelab/gatelab/gateway/internal/settings"
	"github.com/gatelab/gatelab/gateway/internal/store"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
	"github.com/gatelab/gatelab/internal/webguard"
)

// program is the gateway: newProgram, Run until its context ends, Close.
type program struct {
	settings *settings.Settings
	log      *slog.Logger
	access   *logline.Logger
	metrics  *prometheus.Registry

	sockets  struct{ proxy, admin, status *listen.Socket }
	tlsProxy []*listen.Socket // of proxy_ssl_listen
	store    *store.Postgres  // nil: there is no database
	reloader *reload.Reloader // nil likewise
	file     *dbless.Store    // the configuration without a database; nil: there is one

	plugins *plugin.Set
	redis   *redisconn.Registry
	cache   *cache.Store
	limits  *limit.Limiter
	queues  *logqueue.Registry
	pools   *upstream.Pools
	proxy   *proxy.Proxy
	server  *proxy.Server

	readiness  admin.Readiness
	rejections *admin.Rejections
	refusals   *admin.Refusals
	guards     struct{ admin, status *webguard.Guard }
	tokens     *admin.Tokens // nil: the Admin API needs none
	tls        *admin.TLS    // nil: the Admin API is served without TLS
	targets    *admin.Targets

	closers []func()
	closing sync.Once
}

// newProgram reserves the addresses of the listeners and makes all parts. It
// connects to nothing. When it fails, nothing is left open.
func newProgram(s *settings.Settings, log *slog.Logger, access *logline.Logger) (_ *program, err error) {
	p := &program{settings: s, log: log, access: access, metrics: prometheus.NewRegistry(), plugins: all.Plugins()}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	for _, step := range []func() error{p.makeGuards, p.bind, p.makeStores, p.makeDataPlane, p.makeReloader} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// onClose has Close call f, before those that were passed earlier.
func (p *program) onClose(f func()) { p.closers = append(p.closers, f) }

// bind reserves the listeners' addresses. Connections are refused until a
// listener is opened, when there is something to serve.
func (p *program) bind() error {
	for _, l := range []struct {
		setting, addr string
		to            **listen.Socket
	}{
		{"proxy_listen", p.settings.ProxyListen, &p.sockets.proxy},
		{"admin_listen", p.settings.AdminListen, &p.sockets.admin},
		{"status_listen", p.settings.StatusListen, &p.sockets.status},
	} {
		socket, err := listen.Bind(l.addr)
		if err != nil {
			return fmt.Errorf("%s=%q: %w", l.setting, l.addr, err)
		}
		*l.to = socket
		p.onClose(func() { _ = socket.Close() })
	}
	return p.bindTLS()
}

// Run serves until ctx ends, and then drains. It returns the first error that
// made it stop, nil after a drain.
//
// The status listener is open throughout, the Admin API once Postgres was
// reached, the proxy once there is a configuration to serve: a load balancer
// uses another replica when its connection is refused, not when it waits.
func (p *program) Run(ctx context.Context) error {
	// Serving continues after ctx has ended, until the drain is over.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, serving := errgroup.WithContext(serving)

	status, err := p.serveHTTP(group, p.sockets.status, p.statusHandler(), nil)
	if err != nil {
		return err
	}
	if err := p.start(ctx); err != nil {
		return p.end(group, status, err)
	}
	api, err := p.serveHTTP(group, p.sockets.admin, p.adminHandler(), p.tls)
	if err != nil {
		return p.end(group, status, err)
	}
	background, stopBackground := context.WithCancel(serving)
	defer stopBackground()
	p.follow(background, group)
	accepting, stopAccepting := context.WithCancel(serving)
	defer context.AfterFunc(ctx, stopAccepting)()
	group.Go(func() error { return p.serveProxy(accepting, group) })

	select {
	case <-ctx.Done():
	case <-serving.Done(): // a part failed: group.Wait says which
	}
	p.drain(api)
	stopBackground()
	return p.end(group, status, nil)
}

// serveProxy waits for the first configuration, then serves until the drain. ctx
// ends when the drain begins.
func (p *program) serveProxy(ctx context.Context, group *errgroup.Group) error {
	select {
	case <-ctx.Done():
		return nil
	case <-p.applied():
	}
	ln, err := p.sockets.proxy.Listen()
	if err != nil {
		return ignoreAfter(ctx, fmt.Errorf("proxy_listen: %w", err))
	}
	if err := p.serveTLS(group); err != nil {
		return ignoreAfter(ctx, err)
	}
	p.readiness.Ready()
	p.log.Info("serving", "version", version, "proxy", p.sockets.proxy.Addr().String(), "proxy_ssl", addresses(p.tlsProxy),
		"admin", p.sockets.admin.Addr().String(), "status", p.sockets.status.Addr().String(), "lookup", p.settings.Lookup)
	return ignoreAfter(ctx, p.server.ServeProtocols(ln, proxy.Protocols{HTTP2: p.settings.HTTP2 == "all"}))
}

// ignoreAfter drops the error of a listener that the drain may have closed.
func ignoreAfter(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// end waits for every goroutine of the group. The status listener closes last,
// so that the progress of a drain can be observed.
func (p *program) end(group *errgroup.Group, status *http.Server, cause error) error {
	_ = status.Close()
	err := group.Wait()
	if cause != nil {
		return cause
	}
	return err
}

// drain stops accepting clients, then waits for requests in flight.
func (p *program) drain(api *http.Server) {
	p.log.Info("draining", "timeout", p.settings.DrainTimeout.String())
	p.readiness.Draining()
	p.server.Drain()
	time.Sleep(p.settings.DrainDelay) // the load balancer notices, and clients move on
	ctx, cancel := context.WithTimeout(context.Background(), p.settings.DrainTimeout)
	defer cancel()
	if err := p.server.Shutdown(ctx); err != nil {
		p.log.Warn("requests were still in flight", "error", err)
	}
	_ = p.sockets.proxy.Close() // Shutdown leaves a listener alone that is not served yet
	for _, socket := range p.tlsProxy {
		_ = socket.Close()
	}
	if err := api.Shutdown(ctx); err != nil {
		_ = api.Close()
	}
}

// serveHTTP opens a listener and serves h on it as part of the group, over TLS
// where certificates is not nil.
func (p *program) serveHTTP(group *errgroup.Group, socket *listen.Socket, h http.Handler, certificates *admin.TLS) (*http.Server, error) {
	ln, err := socket.Listen()
	if err != nil {
		return nil, err
	}
	server := webguard.NewServer(h, httpLimits(p.settings))
	server.ErrorLog = slog.NewLogLogger(p.log.Handler(), slog.LevelWarn)
	serve := func() error { return server.Serve(ln) }
	if certificates != nil {
		server.TLSConfig = certificates.Config()
		serve = func() error { return server.ServeTLS(ln, "", "") }
	}
	group.Go(func() error {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", ln.Addr(), err)
		}
		return nil
	})
	return server, nil
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
		Name: "gateway_build_info", Help: "Always 1, with the versions of the gateway and of Go as labels.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	}, func() float64 { return 1 })
}
