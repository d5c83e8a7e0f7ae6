package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/logline"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
	"github.com/gatelab/gatelab/internal/testenv"
)

// gateway is a proxy behind a real listener.
type gateway struct {
	*Proxy
	server  *Server
	clients *clients
	url     string
	reg     *prometheus.Registry
	log     *syncBuffer
}

func start(t *testing.T, c Config, keepalive int) *gateway {
	t.Helper()
	return startServer(t, c, ServerConfig{MaxHeaderBytes: 16 << 10, IdleTimeout: time.Minute, ReadTimeout: 10 * time.Second}, keepalive)
}

func startServer(t *testing.T, c Config, sc ServerConfig, keepalive int) *gateway {
	t.Helper()
	reg := prometheus.NewRegistry()
	logged := newSyncBuffer()
	log := slog.New(slog.NewJSONHandler(logged, nil))
	c.AccessLines = logline.New(logged, logline.JSON, slog.LevelInfo)
	pools := upstream.NewPools(upstream.Config{Keepalive: keepalive, EjectAfter: 3, RetryStatuses: []int{502, 503, 504}, RetryMin: 1000,
		StreamAbove: int(c.StreamAbove)}, nil)
	p := New(c, &plugin.Deps{Plugins: all.Plugins(), Registerer: reg, Log: log}, pools, reg, log)
	s := NewServer(p, sc, reg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		p.Close()
		pools.Close()
		// fasthttp's own timers sleep on for a while; the origins are closed later.
		testenv.NoGoroutines(t, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
			goleak.IgnoreAnyFunction("net/http/httptest.(*Server).goServe.func1"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
			goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"), goleak.IgnoreAnyFunction("net.(*TCPListener).Accept"))
	})
	return &gateway{p, s, s.clients, "http://" + ln.Addr().String(), reg, logged}
}

// config is one service at origin with one route.
func config(origin string, route entity.Route, plugins ...entity.Plugin) *entity.Config {
	u, err := url.Parse(origin)
	if err != nil {
		panic(err)
	}
	port, _ := strconv.Atoi(u.Port())
	route.ResponseBuffering = true
	route.ID = "r1"
	route.Protocols = []string{"http", "https"}
	route.Service = &entity.Ref{ID: "s1"}
	route.RequestBuffering, route.ResponseBuffering = true, true // the defaults
	return &entity.Config{
		Revision: 1,
		Services: []entity.Service{{ID: "s1", Name: "svc", Protocol: "http", Host: u.Hostname(), Port: port, Path: u.Path, Retries: 5,
			ConnectTimeout: 30000, ReadTimeout: 30000, WriteTimeout: 30000, Enabled: true}},
		Routes:    []*entity.Route{&route},
		Consumers: []entity.Consumer{{ID: "c1", Username: "alice"}},
		KeyAuths:  []entity.KeyAuth{{ID: "k1", Key: "secret-key", Consumer: entity.Ref{ID: "c1"}}},
		Plugins:   plugins,
	}
}

func (g *gateway) apply(t *testing.T, c *entity.Config) {
	t.Helper()
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, rawURL string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, rawURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestRequestsReachTheUpstreamAsKongSendsThem(t *testing.T) {
	var seen *http.Request
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("X-End", "2")
		fmt.Fprint(w, "hello")
	}))
	defer origin.Close()
	g := start(t, Config{NodeName: "gw-1", NodeHeader: true, RevisionHeader: true}, 4)
	applied := config(origin.URL+"/base", entity.Route{Paths: []string{"/ai"}, StripPath: true, PathHandling: "v0"})
	applied.Revision = 42
	g.apply(t, applied)

	res, body := get(t, g.url+"/ai/v1/models?x=1", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", "https", "Connection", "X-Drop",
		"X-Drop", "1", "X-Keep", "2")
	if res.StatusCode != 200 || body != "hello" {
		t.Fatalf("got %d %q", res.StatusCode, body)
	}
	if got := seen.URL.RequestURI(); got != "/base/v1/models?x=1" {
		t.Errorf("upstream was asked for %q", got)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "1.2.3.4, 127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "127.0.0.1",
		"X-Forwarded-Path":   "/ai/v1/models",
		"X-Forwarded-Prefix": "/ai", "X-Real-Ip": "127.0.0.1", "X-Drop": "", "X-Keep": "2",
	} {
		if got := seen.Header.Get(name); got != want {
			t.Errorf("upstream saw %s: %q, want %q", name, got, want)
		}
	}
	if seen.Host != strings.TrimPrefix(origin.URL, "http://") {
		t.Errorf("upstream saw host %q", seen.Host)
	}
	for name, want := range map[string]string{"X-Hop": "", "X-End": "2", "Via": "1.1 gatelab", "X-Gateway-Node": "gw-1",
		"X-Gateway-Revision": "42"} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("client saw %s: %q, want %q", name, got, want)
		}
	}
	if res.Header.Get("X-Kong-Upstream-Latency") == "" || res.Header.Get("X-Kong-Proxy-Latency") == "" {
		t.Error("the latency headers are missing")
	}
}

func TestWhoCannotBeServedIsToldWhy(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	g := start(t, Config{MaxBodyBytes: 10}, 4)
	if res, body := get(t, g.url+"/"); res.StatusCode != 503 || !strings.Contains(body, "no configuration yet") {
		t.Errorf("before the first configuration: %d %s", res.StatusCode, body)
	}
	c := config(slow.URL, entity.Route{Paths: []string{"/slow"}})
	c.Services[0].ReadTimeout, c.Services[0].WriteTimeout = 50, 50
	c.Services = append(c.Services, entity.Service{ID: "s2", Protocol: "http", Host: "127.0.0.1", Port: 1, ConnectTimeout: 500,
		ReadTimeout: 500, WriteTimeout: 500, Enabled: true})
	c.Routes = append(c.Routes, &entity.Route{ID: "r2", Paths: []string{"/dead"}, Protocols: []string{"http"}, Service: &entity.Ref{ID: "s2"}},
		&entity.Route{ID: "r3", Paths: []string{"/tls"}, Protocols: []string{"https"}, HTTPSRedirectStatusCode: 426,
			Service: &entity.Ref{ID: "s2"}})
	g.apply(t, c)
	for _, want := range []struct {
		path string
		code int
		body string
	}{
		{path: "/nothing", code: 404, body: `{"message":"no Route matched with those values"}`},
		{path: "/slow", code: 504, body: `{"message":"The upstream server is timing out"}`},
		{path: "/dead", code: 502, body: `{"message":"An invalid response was received from the upstream server"}`},
		{path: "/tls", code: 426, body: `{"message":"Please use HTTPS protocol"}`},
	} {
		res, body := get(t, g.url+want.path)
		if res.StatusCode != want.code || body != want.body || res.Header.Get("X-Kong-Response-Latency") == "" {
			t.Errorf("%s: %d %s", want.path, res.StatusCode, body)
		}
	}
	res, err := http.Post(g.url+"/slow", "text/plain", strings.NewReader("more than ten bytes"))
	if err != nil || res.StatusCode != 413 {
		t.Errorf("a large body: %v %v", res, err)
	}
	res.Body.Close()
	if res, _ := get(t, g.url+"/slow", "X-Big", strings.Repeat("x", 20<<10)); res.StatusCode != 431 {
		t.Errorf("a large header: %d", res.StatusCode)
	}
}

func TestKeyAuth(t *testing.T) {
	var consumer string
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		consumer = r.Header.Get("X-Consumer-Username") + "|" + r.Header.Get("Apikey") + "|" + r.URL.RawQuery
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, entity.Plugin{ID: "p", Name: "key-auth", Enabled: true,
		Config: map[string]any{"key_names": []any{"apikey"}, "key_in_header": true, "key_in_query": true, "hide_credentials": true,
			"run_on_preflight": true}}))
	if res, body := get(t, g.url+"/"); res.StatusCode != 401 || body != `{"message":"No API key found in request"}` ||
		res.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without a key: %d %s", res.StatusCode, body)
	}
	if res, body := get(t, g.url+"/", "apikey", "wrong", "X-Consumer-Username", "root"); res.StatusCode != 401 ||
		body != `{"message":"Unauthorized"}` {
		t.Errorf("with a wrong key: %d %s", res.StatusCode, body)
	}
	if res, _ := get(t, g.url+"/", "apikey", "secret-key", "X-Consumer-Username", "root"); res.StatusCode != 200 || consumer != "alice||" {
		t.Errorf("with a key: %d, upstream saw %q", res.StatusCode, consumer)
	}
	if res, _ := get(t, g.url+"/?a=1&apikey=secret-key"); res.StatusCode != 200 || consumer != "alice||a=1" {
		t.Errorf("with a key in the query: %d, upstream saw %q", res.StatusCode, consumer)
	}
}

func TestServerSentEventsArriveAsTheyAreSent(t *testing.T) {
	next := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	res, err := http.Get(g.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	br := bufio.NewReader(res.Body)
	for i := range 3 {
		line, err := br.ReadString('\n') // would wait for ever if the gateway held it back
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("event %d: %q %v", i, line, err)
		}
		_, _ = br.ReadString('\n')
		next <- struct{}{}
	}
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("after the last event: %v", err)
	}
}

func TestLargeBodiesPassWithoutBeingHeld(t *testing.T) {
	const size = 8 << 20
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != size {
			t.Errorf("origin read %d: %v", n, err)
		}
		_, _ = io.CopyN(w, zeros{}, size)
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for _, known := range []bool{true, false} {
		body := io.LimitReader(zeros{}, size)
		req, _ := http.NewRequest(http.MethodPut, g.url+"/", body)
		if known {
			req.ContentLength = size
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || n != size {
			t.Errorf("client read %d of %d: %v", n, size, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestALostClientEndsTheUpstreamsWork(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	c.Services[0].ReadTimeout = 60000
	g.apply(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/", nil)
	go func() {
		<-began
		cancel()
	}()
	if _, err := http.DefaultClient.Do(req); err == nil { //nolint:bodyclose // there is none
		t.Fatal("the request was answered")
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the upstream still works for a client that has left")
	}
}

func TestAStaleConnectionIsReplacedUnseen(t *testing.T) {
	// An origin that closes each connection after one answer without saying so.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var requests atomic.Int64
	closed := make(chan struct{}, 20)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				requests.Add(1)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
			c.Close()
			closed <- struct{}{}
		}
	}()
	g := start(t, Config{}, 4)
	g.apply(t, config("http://"+ln.Addr().String(), entity.Route{Paths: []string{"/"}}))
	for i := range 20 {
		method := http.MethodGet
		if i%2 == 1 {
			method = http.MethodPost
		}
		req, _ := http.NewRequest(method, g.url+"/", strings.NewReader("x"))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s %d: status %d", method, i, res.StatusCode)
		}
		<-closed
	}
	if n := requests.Load(); n != 20 {
		t.Errorf("the origin saw %d requests, want 20", n)
	}
}

func TestAnIdempotentRequestFindsTheLivingTarget(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	defer origin.Close()
	g := start(t, Config{}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	c.Services[0].Host = "pool.internal"
	c.Upstreams = []entity.Upstream{{ID: "u", Name: "pool.internal", Algorithm: "round-robin"}}
	c.Targets = []entity.Target{
		{ID: "t1", Target: strings.TrimPrefix(origin.URL, "http://"), Weight: 100, Upstream: entity.Ref{ID: "u"}},
		{ID: "t2", Target: "127.0.0.1:1", Weight: 100, Upstream: entity.Ref{ID: "u"}},
	}
	g.apply(t, c)
	for range 10 {
		if res, body := get(t, g.url+"/"); res.StatusCode != 200 {
			t.Fatalf("status %d %s", res.StatusCode, body)
		}
	}
}

// revisions is a database that tests can drive.
type revisions struct {
	revision atomic.Int64
	err      atomic.Pointer[error]
	refresh  func() error
}

func (r *revisions) Revision(context.Context) (int64, error) {
	if e := r.err.Load(); e != nil {
		return 0, *e
	}
	return r.revision.Load(), nil
}
func (r *revisions) Refresh(context.Context) error { return r.refresh() }

func TestLookupInTheDatabaseIsStrict(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer origin.Close()
	db := &revisions{}
	g := start(t, Config{Revisions: db}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/one"}})
	g.apply(t, c)
	db.revision.Store(1)
	db.refresh = func() error {
		next := config(origin.URL, entity.Route{Paths: []string{"/two"}})
		next.Revision = 2
		return g.Apply(next)
	}
	if res, _ := get(t, g.url+"/one"); res.StatusCode != 200 {
		t.Errorf("at revision 1: %d", res.StatusCode)
	}
	db.revision.Store(2)
	if res, _ := get(t, g.url+"/two"); res.StatusCode != 200 {
		t.Errorf("right after revision 2 was committed: %d", res.StatusCode)
	}
	busy := fmt.Errorf("look up: %w", ErrBusy)
	db.err.Store(&busy)
	if res, body := get(t, g.url+"/two"); res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !strings.Contains(body, "busy") {
		t.Errorf("with an exhausted pool: %d %s", res.StatusCode, body)
	}
}

func TestConfigurationsSwapUnderLoadWithoutLoss(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	defer origin.Close()
	g := start(t, Config{}, 8)
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	g.apply(t, c)
	stop := make(chan struct{})
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		for i := int64(2); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			next := config(origin.URL, entity.Route{Paths: []string{"/"}})
			next.Revision = i
			if err := g.Apply(next); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 300 {
		if res, _ := get(t, g.url+"/"); res.StatusCode != 200 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	close(stop)
	<-swapped
	stale := config(origin.URL, entity.Route{Paths: []string{"/other"}})
	stale.Revision = 1
	g.apply(t, stale)
	if res, _ := get(t, g.url+"/"); res.StatusCode != 200 {
		t.Error("an older revision replaced a newer one")
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer origin.Close()
	g := start(t, Config{AccessLog: LogAll}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	get(t, g.url+"/path?apikey=hunter2", "apikey", "hunter2", "Authorization", "Bearer hunter2", "Cookie", "s=hunter2")
	g.waitForLog(t, `"path":"/path"`)
	if got := g.log.String(); strings.Contains(got, "hunter2") {
		t.Errorf("the log says %s", got)
	}
}
