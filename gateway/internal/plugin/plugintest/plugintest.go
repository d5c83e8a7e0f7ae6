// Package plugintest drives plugins through a real proxy, in tests.
package plugintest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/proxy"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// StreamAbove is the longest body, in bytes, that the gateway of a test reads
// whole of its own accord; longer ones are streamed.
const StreamAbove = 1 << 10

// Gateway is a proxy on a loopback port with one service, one route (/) and the
// plugins of a test. It ends with the test.
type Gateway struct {
	URL     string
	Metrics *prometheus.Registry
}

// Start makes plugins of configured, which needs a name and a config, as the
// schemas of definitions complete them, and puts them in front of origin.
// maxBody is plugin.Deps.MaxBodyBytes.
func Start(tb testing.TB, maxBody int, origin http.Handler, definitions []plugin.Definition, configured ...entity.Record) *Gateway {
	tb.Helper()
	return StartWith(tb, maxBody, origin, definitions, func(*entity.Config) {}, configured...)
}

// StartWith is Start with more in the configuration: consumers and credentials
// beside alice's, say.
func StartWith(tb testing.TB, maxBody int, origin http.Handler, definitions []plugin.Definition, add func(*entity.Config),
	configured ...entity.Record) *Gateway {
	tb.Helper()
	return StartOptions(tb, Options{MaxBody: maxBody, Add: add}, origin, definitions, configured...)
}

// Options are what a test changes of a gateway.
type Options struct {
	MaxBody int                  // plugin.Deps.MaxBodyBytes
	Add     func(*entity.Config) // nil: nothing is added
	Deps    func(*plugin.Deps)   // nil: they stay
	Proxy   func(*proxy.Config)  // nil: it stays
}

// StartOptions is Start with options.
func StartOptions(tb testing.TB, o Options, origin http.Handler, definitions []plugin.Definition, configured ...entity.Record) *Gateway {
	tb.Helper()
	set := plugin.NewSet(definitions...)
	reg := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	limits, redis := limit.New(limit.Config{}, reg), redisconn.NewRegistry(redisconn.Config{}, reg)
	tb.Cleanup(func() { _ = limits.Close() })
	tb.Cleanup(func() { _ = redis.Close() })
	store, err := cache.New(cache.Config{}, reg, log)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	queues, err := logqueue.NewRegistry(reg, log)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(queues.Close)
	deps := &plugin.Deps{
		Plugins: set, Cache: store, Limits: limits, Redis: redis, Queues: queues, Registerer: reg, Log: log, MaxBodyBytes: o.MaxBody,
	}
	if o.Deps != nil {
		o.Deps(deps)
	}
	pools := upstream.NewPools(upstream.Config{Keepalive: 4, StreamAbove: StreamAbove}, nil)
	tb.Cleanup(pools.Close)
	config := proxy.Config{AccessLog: proxy.LogOff, StreamAbove: StreamAbove}
	if o.Proxy != nil {
		o.Proxy(&config)
	}
	p := proxy.New(config, deps, pools, reg, log)
	tb.Cleanup(p.Close)
	c := configuration(tb, set, serveOrigin(tb, origin), configured)
	if o.Add != nil {
		o.Add(c)
	}
	if err := p.Apply(c); err != nil {
		tb.Fatal(err)
	}
	return &Gateway{URL: serve(tb, p), Metrics: reg}
}

func serveOrigin(tb testing.TB, h http.Handler) *url.URL {
	tb.Helper()
	origin := httptest.NewServer(h)
	tb.Cleanup(origin.Close)
	u, err := url.Parse(origin.URL)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// serve listens, and shuts down at the end of the test.
func serve(tb testing.TB, p *proxy.Proxy) (url string) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := proxy.NewServer(p, proxy.ServerConfig{
		MaxHeaderBytes: 16 << 10, IdleTimeout: time.Minute, ReadTimeout: 10 * time.Second,
	}, nil)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	tb.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
		if err := <-served; err != nil {
			tb.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

func configuration(tb testing.TB, set *plugin.Set, origin *url.URL, configured []entity.Record) *entity.Config {
	tb.Helper()
	port, err := strconv.Atoi(origin.Port())
	if err != nil {
		tb.Fatal(err)
	}
	const timeout = 30_000 // ms
	c := &entity.Config{
		Revision: 1,
		Services: []entity.Service{{
			ID: "s1", Protocol: "http", Host: origin.Hostname(), Port: port, Enabled: true,
			ConnectTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout,
		}},
		Routes: []*entity.Route{{
			ID: "r1", Protocols: []string{"http"}, Paths: []string{"/"}, Service: &entity.Ref{ID: "s1"},
			RequestBuffering: true, ResponseBuffering: true,
		}},
		Consumers: []entity.Consumer{{ID: "c1", Username: "alice"}},
		KeyAuths:  []entity.KeyAuth{{ID: "k1", Key: "alices-key", Consumer: entity.Ref{ID: "c1"}}},
	}
	schema, _ := set.Catalog().ByName("plugins")
	for _, in := range configured {
		r, err := schema.ProcessInsert(in, time.Now(), "")
		if err != nil {
			tb.Fatal(err)
		}
		e, err := entity.Decode[entity.Plugin](r)
		if err != nil {
			tb.Fatal(err)
		}
		c.Plugins = append(c.Plugins, e)
	}
	return c
}

// Send sends a request with header fields of the form name:value, and reads the
// answer.
func (g *Gateway) Send(tb testing.TB, method, target, body string, header ...string) (res *http.Response, text string) {
	tb.Helper()
	return g.SendBody(tb, method, target, strings.NewReader(body), header...)
}

// SendBody is Send with a body that may be of unknown length.
func (g *Gateway) SendBody(tb testing.TB, method, target string, body io.Reader, header ...string) (res *http.Response, text string) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, g.URL+target, body)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range header {
		name, value, _ := strings.Cut(f, ":")
		req.Header.Add(name, value)
	}
	res, err = http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return res, string(raw)
}

// Raw sends text on a connection of its own and returns all that comes until the
// gateway closes it: the last request of text asks for that.
func (g *Gateway) Raw(tb testing.TB, text string) string {
	tb.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		tb.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil {
		tb.Fatalf("after %q: %v", all, err)
	}
	return string(all)
}
