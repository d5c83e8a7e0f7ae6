package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

func TestTrustedProxiesAreBelieved(t *testing.T) {
	seen := make(chan http.Header, 1)
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	defer origin.Close()
	for _, c := range []struct {
		name    string
		trusted string
		sent    []string
		want    string // X-Real-IP, -For, -Proto, -Host, -Path as the upstream sees them
	}{
		{name: "a stranger's word counts for nothing", trusted: "10.0.0.0/8",
			sent: []string{"X-Forwarded-For", "1.1.1.1", "X-Real-IP", "2.2.2.2", "X-Forwarded-Host", "evil", "X-Forwarded-Path", "/evil"},
			want: "127.0.0.1|1.1.1.1, 127.0.0.1|http|127.0.0.1|/"},
		{name: "the last address that is not a trusted proxy asks", trusted: "127.0.0.0/8,10.0.0.0/8",
			sent: []string{"X-Forwarded-For", "9.9.9.9, 1.1.1.1, 10.1.2.3"},
			want: "1.1.1.1|9.9.9.9, 1.1.1.1, 10.1.2.3, 127.0.0.1|http|127.0.0.1|/"},
		{name: "a list in several fields is one list", trusted: "127.0.0.0/8",
			sent: []string{"X-Forwarded-For", "9.9.9.9", "X-Forwarded-For", "1.1.1.1"},
			want: "1.1.1.1|9.9.9.9, 1.1.1.1, 127.0.0.1|http|127.0.0.1|/"},
		{name: "X-Real-IP stands in for a missing list", trusted: "127.0.0.0/8", sent: []string{"X-Real-IP", "2.2.2.2"},
			want: "2.2.2.2|127.0.0.1|http|127.0.0.1|/"},
		{name: "what is no address ends the list", trusted: "127.0.0.0/8", sent: []string{"X-Forwarded-For", "1.1.1.1, nonsense"},
			want: "127.0.0.1|1.1.1.1, nonsense, 127.0.0.1|http|127.0.0.1|/"},
		{name: "scheme, host and path are the balancer's", trusted: "127.0.0.0/8",
			sent: []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop", "X-Forwarded-Path", "/a"},
			want: "127.0.0.1|127.0.0.1|https|shop|/a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var trusted []netip.Prefix
			for _, p := range strings.Split(c.trusted, ",") {
				trusted = append(trusted, netip.MustParsePrefix(p))
			}
			g := start(t, Config{TrustedProxies: trusted}, 4)
			g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
			get(t, g.url+"/", c.sent...)
			h := <-seen
			got := h.Get("X-Real-Ip") + "|" + strings.Join(h.Values("X-Forwarded-For"), " and ") + "|" + h.Get("X-Forwarded-Proto") + "|" +
				h.Get("X-Forwarded-Host") + "|" + h.Get("X-Forwarded-Path")
			if got != c.want {
				t.Errorf("upstream saw\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestHTTPSRoutesTakeTLSThatATrustedBalancerEnded(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer origin.Close()
	g := start(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/"}, HTTPSRedirectStatusCode: 301})
	c.Routes[0].Protocols = []string{"https"}
	g.apply(t, c)
	if res, _ := get(t, g.url+"/", "X-Forwarded-Proto", "https"); res.StatusCode != 200 {
		t.Errorf("over https: %d", res.StatusCode)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(g.url + "/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Get("Location"); res.StatusCode != 301 || got != "https://127.0.0.1/a?b=c" {
		t.Errorf("over http: %d to %q", res.StatusCode, got)
	}
}

func TestADrainLetsRequestsFinish(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(began)
			<-release
		}
		fmt.Fprint(w, "done")
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	answer := make(chan error, 1)
	go func() {
		res, err := http.Get(g.url + "/slow")
		if err == nil {
			body, rerr := io.ReadAll(res.Body)
			res.Body.Close()
			if err = rerr; string(body) != "done" || !res.Close {
				err = fmt.Errorf("got %q, close %v, %w", body, res.Close, rerr)
			}
		}
		answer <- err
	}()
	<-began
	g.server.Drain()
	if res, _ := get(t, g.url+"/"); res.StatusCode != 200 || !res.Close {
		t.Errorf("while draining: %d, close %v", res.StatusCode, res.Close)
	}
	down := make(chan error, 1)
	go func() { down <- g.server.Shutdown(t.Context()) }()
	for { // until the listener is closed
		c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err != nil {
			break
		}
		c.Close()
	}
	select {
	case err := <-down:
		t.Fatalf("the shutdown did not wait: %v", err)
	default:
	}
	close(release)
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

func TestADrainEndsInTime(t *testing.T) {
	began := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	client := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(client)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/", nil)
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
		}
	}()
	<-began
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := g.server.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown with a request that does not end: %v", err)
	}
	cancel()
	<-client
}

func TestNothingIsMeasuredBeforeItHappens(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/"}, Name: "first"})
	for i := range 1000 {
		id := fmt.Sprint("more-", i)
		s := c.Services[0]
		s.ID, s.Name = id, id
		c.Services = append(c.Services, s)
		c.Routes = append(c.Routes, &entity.Route{ID: id, Paths: []string{"/" + id}, Protocols: []string{"http"}, Service: &entity.Ref{ID: id}})
	}
	g.apply(t, c)
	get(t, g.url+"/")
	get(t, g.url+"/")
	for range 3000 { // counted after the answer
		if float64(g.busy.Load()) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for name, want := range map[string]int{"gateway_requests_total": 1 + len(fromStart), "gateway_request_duration_seconds": 1,
		"gateway_upstream_duration_seconds": 1, "gateway_overhead_duration_seconds": 1} {
		if n, err := testutil.GatherAndCount(g.reg, name); err != nil || n != want {
			t.Errorf("%s has %d series, want %d: %v", name, n, want, err)
		}
	}
	want := `# HELP gateway_requests_total Requests answered, by service, route and status.
# TYPE gateway_requests_total counter
gateway_requests_total{route="",service="",status="429"} 0
gateway_requests_total{route="",service="",status="500"} 0
gateway_requests_total{route="",service="",status="502"} 0
gateway_requests_total{route="",service="",status="503"} 0
gateway_requests_total{route="",service="",status="504"} 0
gateway_requests_total{route="first",service="svc",status="200"} 2
`
	if err := testutil.GatherAndCompare(g.reg, strings.NewReader(want), "gateway_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestHundredMegabytesPassInLittleMemory(t *testing.T) {
	const size = 100 << 20
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != size {
			t.Errorf("origin read %d: %v", n, err)
		}
		_, _ = io.CopyN(w, zeros{}, size)
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	c.Services[0].ReadTimeout, c.Services[0].WriteTimeout = 60000, 60000
	g.apply(t, c)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	req, _ := http.NewRequest(http.MethodPut, g.url+"/", io.LimitReader(zeros{}, size))
	req.ContentLength = size
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if err != nil || n != size {
		t.Errorf("client read %d: %v", n, err)
	}
	runtime.ReadMemStats(&after)
	// Allocated altogether, collected or not, by client and origin as well.
	if used := after.TotalAlloc - before.TotalAlloc; used > 20<<20 {
		t.Errorf("200 MB of bodies took %d MB of memory", used>>20)
	}
}

func TestAnyRequestMayTryTheNextTargetWhenNothingWasSent(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer origin.Close()
	g := start(t, Config{}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	c.Services[0].Host = "pool.internal"
	c.Upstreams = []entity.Upstream{{ID: "u", Name: "pool.internal"}}
	for i, address := range []string{"127.0.0.1:1", strings.TrimPrefix(origin.URL, "http://"), "127.0.0.1:2"} {
		c.Targets = append(c.Targets, entity.Target{ID: fmt.Sprint(i), Target: address, Weight: 100, Upstream: entity.Ref{ID: "u"}})
	}
	g.apply(t, c)
	for range 6 {
		res, err := http.Post(g.url+"/", "text/plain", io.MultiReader(strings.NewReader("a stream"))) // in chunks
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || string(body) != "a stream" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
}

// A gateway may be told to end before it has begun to serve.
func TestServeAfterShutdownEnds(t *testing.T) {
	reg := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	pools := upstream.NewPools(upstream.Config{}, nil)
	defer pools.Close()
	p := New(Config{}, &plugin.Deps{Plugins: all.Plugins(), Registerer: reg, Log: log}, pools, reg, log)
	defer p.Close()
	s := NewServer(p, ServerConfig{MaxHeaderBytes: 16 << 10, IdleTimeout: time.Minute, ReadTimeout: time.Minute}, reg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("it serves although it was shut down")
	}
	if c, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second); err == nil {
		c.Close()
		t.Error("the listener is still open")
	}
}
