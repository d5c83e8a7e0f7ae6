package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/net/http2"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

var postFields = []string{":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/"}

func TestSlowHTTP2Clients(t *testing.T) {
	for _, c := range []struct {
		name  string
		say   func(c *rawHTTP2)
		want  string
		count func(m *clientMetrics) float64
	}{
		{name: "a header that stops", want: "closed", say: func(c *rawHTTP2) {
			c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.block(getFields...)}))
		}, count: func(m *clientMetrics) float64 { return testutil.ToFloat64(m.header) }},
		{name: "a frame that stops", want: "closed", say: func(c *rawHTTP2) { send(c.t, c.Conn, "\x00\x00\x10\x01\x05") }, count: nil},
		{name: "a short body that stops", want: "408", say: func(c *rawHTTP2) {
			c.ask(1, false, append(postFields, "content-length", "5")...)
			c.must(c.WriteData(1, false, []byte("abc")))
		}, count: func(m *clientMetrics) float64 { return testutil.ToFloat64(m.body) }},
		{name: "a body of unknown length that stops", want: "408", say: func(c *rawHTTP2) {
			c.ask(1, false, postFields...)
			c.must(c.WriteData(1, false, []byte("abc")))
		}, count: func(m *clientMetrics) float64 { return testutil.ToFloat64(m.body) }},
		{name: "a body that never begins", want: "408", say: func(c *rawHTTP2) { c.ask(1, false, postFields...) },
			count: func(m *clientMetrics) float64 { return testutil.ToFloat64(m.body) }},
		{name: "nothing", want: "goaway NO_ERROR", say: func(*rawHTTP2) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, url := startHTTP2(t, Config{}, true, readAll, func(c *ServerConfig) {
				c.HeaderTimeout, c.ReadTimeout = 2*pause, pause
				c.IdleTimeout = 4 * pause
			})
			client := dialHTTP2(t, url)
			c.say(client)
			if got := client.next(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if c.count != nil && c.count(g.clients.metrics) != 1 {
				t.Error("not counted")
			}
			client.Close()
		})
	}
}

func TestAnHTTP2BodyThatTricklesEnds(t *testing.T) {
	_, url := startHTTP2(t, Config{}, true, readAll, func(c *ServerConfig) { c.ReadTimeout, c.BodyRate = pause, 10_000 })
	client := dialHTTP2(t, url)
	client.ask(1, false, postFields...)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(pause / 10):
				_ = client.WriteData(1, false, []byte("a"))
			}
		}
	}()
	if got := client.next(); got != "408" {
		t.Errorf("got %s", got)
	}
	close(stop)
	<-stopped
}

func TestAnHTTP2ClientThatTakesNothing(t *testing.T) {
	origin := endless(t)
	for _, path := range []string{"/known", "/chunked"} {
		t.Run(path, func(t *testing.T) {
			g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.WriteTimeout = pause }), 4)
			g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
			client := dialHTTP2(t, "https://"+g.listen(t, Protocols{TLS: true, HTTP2: true}))
			fields := append([]string{}, getFields...)
			fields[7] = path
			client.ask(1, true, fields...)
			// It reads, but never says that more may come.
			for _, want := range []string{"200", "reset INTERNAL_ERROR"} {
				if got := client.next(); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			count(t, g.clients.metrics.write, 1)
			await(t, "the request has ended", func() bool { return g.busy.Load() == 0 })
			client.ask(3, true, ":method", "OPTIONS", ":scheme", "https", ":authority", "x", ":path", "*")
			if got := client.next(); got != "400" {
				t.Errorf("the next request: %s", got)
			}
		})
	}
}

func TestAnHTTP2ClientThatReadsNothingIsClosed(t *testing.T) {
	origin := endless(t)
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.WriteTimeout = pause }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	client := dialHTTP2(t, "https://"+g.listen(t, Protocols{TLS: true, HTTP2: true}))
	client.must(client.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}))
	client.must(client.WriteWindowUpdate(0, 1<<30))
	fields := append([]string{}, getFields...)
	fields[7] = "/chunked"
	client.ask(1, true, fields...)
	// On a busy machine the gateway may give up an answer before the connection is full: then it is that
	// stream that is reset, and another one fills it.
	stream, late := uint32(1), float64(1)
	await(t, "closed", func() bool {
		if g.busy.Load() == 0 && g.clients.open.Load() == 0 {
			return true
		}
		if n := testutil.ToFloat64(g.clients.metrics.write); n >= late {
			stream, late = stream+2, n+1
			_ = client.WriteHeaders(http2.HeadersFrameParam{
				StreamID: stream, BlockFragment: client.block(fields...), EndStream: true, EndHeaders: true,
			}) // an error says that the connection is closed
		}
		return false
	})
	if n := testutil.ToFloat64(g.clients.metrics.write); n < 1 {
		t.Errorf("counted %v", n)
	}
}

func TestARequestThatAnHTTP2ClientTakesBackEndsTheUpstreamsWork(t *testing.T) {
	onBoth(t, func(t *testing.T, secure bool) {
		began, lost := make(chan struct{}), make(chan struct{})
		g, url := startHTTP2(t, Config{}, secure, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				close(began)
				<-r.Context().Done()
				close(lost)
			}
		}, nil)
		client := dialHTTP2(t, url)
		client.ask(1, true, getFields...)
		<-began
		client.must(client.WriteRSTStream(1, http2.ErrCodeCancel))
		select {
		case <-lost:
		case <-time.After(20 * time.Second):
			t.Fatal("the origin still works")
		}
		g.waitForLog(t, `"status":499`)
		fields := append([]string{}, getFields...)
		fields[7] = "/other"
		client.ask(3, true, fields...)
		if got := client.next(); got != "200" {
			t.Errorf("the next request: %s", got)
		}
	})
}

func TestAnUpstreamsRefusalReachesAnHTTP2ClientThatPauses(t *testing.T) {
	_, url := startHTTP2(t, Config{StreamAbove: 1}, true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(413) }, nil)
	client := dialHTTP2(t, url)
	client.ask(1, false, append(postFields, "content-length", "1000000")...)
	client.must(client.WriteData(1, false, []byte("abc")))
	if got := client.next(); got != "413" {
		t.Errorf("got %s", got)
	}
	client.ask(3, true, getFields...)
	got := client.next()
	// What was left of the body is told of once, and once more where it comes after that.
	for range 2 {
		if strings.HasPrefix(got, "reset") {
			got = client.next()
		}
	}
	if got != "413" {
		t.Errorf("the next request: %s", got)
	}
}

func TestHTTP2BodiesThatAreTooLarge(t *testing.T) {
	_, url := startHTTP2(t, Config{MaxBodyBytes: 1000}, true, readAll, nil)
	for _, sized := range []bool{true, false} {
		client := dialHTTP2(t, url)
		fields := postFields
		if sized {
			fields = append(append([]string{}, postFields...), "content-length", "2000")
		}
		client.ask(1, false, fields...)
		client.must(client.WriteData(1, false, make([]byte, 2000)))
		if got := client.next(); got != "413" {
			t.Errorf("sized %v: %s", sized, got)
		}
	}
}

func TestADrainOfHTTP2Connections(t *testing.T) {
	onBoth(t, func(t *testing.T, secure bool) {
		began, release := make(chan struct{}), make(chan struct{})
		g, url := startHTTP2(t, Config{}, secure, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(began)
				<-release
				_, _ = io.WriteString(w, "done")
			}
		}, func(c *ServerConfig) { c.DrainIdle = 4 * parkAfter })
		idle, busy := dialHTTP2(t, url), dialHTTP2(t, url)
		late := dialHTTP2(t, url)
		for _, c := range []*rawHTTP2{idle, late} {
			c.ask(1, true, getFields...)
			if got := c.next(); got != "200" {
				t.Fatal(got)
			}
		}
		fields := append([]string{}, getFields...)
		fields[7] = "/slow"
		busy.ask(1, true, fields...)
		<-began
		g.server.Drain()
		late.ask(3, true, getFields...)
		said := late.next() + ", " + late.next()
		if said != "200, goaway NO_ERROR" && said != "goaway NO_ERROR, 200" {
			t.Errorf("a request during the drain: %s", said)
		}
		drained := make(chan error, 1)
		go func() { drained <- g.server.Shutdown(context.Background()) }()
		if got := idle.next(); got != "goaway NO_ERROR" {
			t.Errorf("an idle one: %s", got)
		}
		if got := busy.next(); got != "goaway NO_ERROR" {
			t.Errorf("a busy one: %s", got)
		}
		close(release)
		if got := busy.next(); got != "200" {
			t.Errorf("the request in flight: %s", got)
		}
		select {
		case err := <-drained:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the drain does not end")
		}
	})
}

func TestADrainEndsThoughHTTP2ClientsDoNot(t *testing.T) {
	began := make(chan struct{})
	g, url := startHTTP2(t, Config{}, true, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	}, nil)
	client := dialHTTP2(t, url)
	client.ask(1, true, getFields...)
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), pause)
	defer cancel()
	if err := g.server.Shutdown(ctx); err == nil {
		t.Error("the drain says that all is done")
	}
	await(t, "closed", func() bool { return g.server.http2.open() == 0 })
}

func TestAnIdleHTTP2ConnectionMakesRoom(t *testing.T) {
	g, url := startHTTP2(t, Config{}, true, readAll, func(c *ServerConfig) { c.MaxConnections = 1 })
	first := dialHTTP2(t, url)
	first.ask(1, true, getFields...)
	if got := first.next(); got != "200" {
		t.Fatal(got)
	}
	time.Sleep(2 * parkAfter)
	second := dialHTTP2(t, url)
	second.ask(1, true, getFields...)
	if got := second.next(); got != "200" {
		t.Errorf("the second: %s", got)
	}
	count(t, g.clients.metrics.evicted, 1)
	if got := first.next(); got != "closed" {
		t.Errorf("the first: %s", got)
	}
}
