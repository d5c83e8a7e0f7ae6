package adaptiveconcurrency

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/grpcweb"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// fixed is a limit that does not move.
func fixed(n int) entity.Record {
	return entity.Record{"min_limit": n, "initial_limit": n, "max_limit": n, "normal_share": 100}
}

// dial sends text on a connection that stays open until the test ends.
func dial(t *testing.T, g *plugintest.Gateway, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestATunnelHasNoPlace: a client may keep one for as long as it likes.
func TestATunnelHasNoPlace(t *testing.T) {
	h := newHeld()
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" || r.URL.Path == "/plain" {
			h.ServeHTTP(w, r)
			return
		}
		c, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(io.Discard, buf)
	})
	g := start(t, origin, fixed(2))
	const fields = " HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
	for range 3 {
		c := dial(t, g, "GET /tunnel"+fields)
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 101 ") {
			t.Fatalf("no tunnel: %q, %v", line, err)
		}
	}
	end := h.fill(t, g, 1)
	// One that only asks for a tunnel has a place as any other.
	c := dial(t, g, "GET /plain"+fields)
	<-h.arrived
	if res, _ := g.Send(t, http.MethodGet, "/", ""); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d with two places taken", res.StatusCode)
	}
	go func() { h.release <- struct{}{} }() // either of the two; end releases the other
	end()
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Errorf("answered %q, %v", line, err)
	}
}

// TestABodyThatDoesNotComeHasNoPlace: the upstream is not asked before a short body has come.
func TestABodyThatDoesNotComeHasNoPlace(t *testing.T) {
	h := newHeld()
	g := start(t, h, fixed(1))
	c := dial(t, g, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
	end := h.fill(t, g, 1)
	// Another one that has come before is refused when its body has, and one that comes now before.
	if _, err := io.WriteString(c, "abc"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{c, dial(t, g, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")} {
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 503 ") {
			t.Errorf("answered %q, %v", line, err)
		}
	}
	end()
	if res, _ := sendFreely(t, h, g); res.StatusCode != http.StatusOK {
		t.Errorf("status %d when all have ended", res.StatusCode)
	}
}

const manyRequests = 60 // at a time: more than a window needs

// movable is a limit that can only fall, and does so at ten times the latency.
func movable() entity.Record {
	return entity.Record{
		"min_limit": 4, "initial_limit": manyRequests + 4, "max_limit": manyRequests + 4,
		"latency_tolerance": 10, "normal_share": 100, "low_share": 100,
	}
}

// atOnce has many clients do something, in several rounds: longer than a window lasts.
func atOnce(do func()) {
	for began := time.Now(); time.Since(began) < 3*leastWindow; {
		var all sync.WaitGroup
		for range manyRequests {
			all.Go(do)
		}
		all.Wait()
	}
}

// usual is the latency of origins.
const usual = 30 * time.Millisecond

// learn has the latency become known that there is without others in the way.
func learn(t *testing.T, g *plugintest.Gateway) {
	t.Helper()
	for began, n := time.Now(), 0; n < 2*manyRequests || time.Since(began) < 4*leastWindow; n++ {
		g.Send(t, http.MethodGet, "/", "")
	}
	if got := counted(t, g, "gateway_adaptive_concurrency_baseline_seconds", "", ""); got < usual.Seconds() {
		t.Fatalf("the baseline is %v s", got)
	}
}

func limitOf(t *testing.T, g *plugintest.Gateway) float64 {
	return counted(t, g, "gateway_adaptive_concurrency_limit", "", "")
}

// refuser is another plugin that answers in the place of the upstream.
type refuser struct{}

func (refuser) HeaderFilter(x *plugin.Exchange) {
	x.Ctx.Response.SetStatusCode(http.StatusTooManyRequests)
}

func refusing() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{Name: "refuser"}, Priority: 900,
		New: func(*entity.Plugin, *plugin.Deps) (plugin.Plugin, error) { return refuser{}, nil },
	}
}

// TestWhatAnotherPluginRefusesLowersNoLimit: it says nothing of the upstream, which does.
func TestWhatAnotherPluginRefusesLowersNoLimit(t *testing.T) {
	var status atomic.Int64
	status.Store(http.StatusOK)
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(usual)
		w.WriteHeader(int(status.Load()))
	})
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition(), refusing()},
		entity.Record{"name": "refuser"}, entity.Record{"name": name, "config": movable()})
	learn(t, g)
	ask := func() { g.Send(t, http.MethodGet, "/", "") }
	atOnce(ask)
	if got := limitOf(t, g); got != manyRequests+4 {
		t.Errorf("the limit is %v", got)
	}
	status.Store(http.StatusServiceUnavailable)
	atOnce(ask)
	if got := limitOf(t, g); got > manyRequests {
		t.Errorf("the limit is %v when the upstream refuses all", got)
	}
}

// TestSlowUploadsLowerNoLimit: it is the clients who are slow.
func TestSlowUploadsLowerNoLimit(t *testing.T) {
	const slow = 30 * usual
	origin := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(usual)
	})
	g := start(t, origin, movable())
	learn(t, g)
	const head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
	atOnce(func() {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, head)
		time.Sleep(slow)
		_, _ = io.WriteString(c, "0\r\n\r\n")
		if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
			t.Errorf("answered %.80q, %v", b, err)
		}
	})
	atOnce(func() { // and those that leave
		c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, head)
		time.Sleep(slow)
		c.Close()
	})
	if got := limitOf(t, g); got != manyRequests+4 {
		t.Errorf("the limit is %v", got)
	}
}

// sleeper is a server of gRPC that does not answer before the test's end.
type sleeper struct {
	pb.UnimplementedTestServiceServer
	end chan struct{}
}

func (s sleeper) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) {
	<-s.end
	return &pb.Empty{}, nil
}

// TestClientsDeadlinesLowerNoLimit: who waits for a nanosecond says nothing of the upstream.
func TestClientsDeadlinesLowerNoLimit(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	end := make(chan struct{})
	pb.RegisterTestServiceServer(server, sleeper{end: end})
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() { close(end); server.Stop(); <-served })
	both := []plugin.Definition{Definition(), grpcweb.Definition()}
	g := plugintest.StartWith(t, 1<<20, http.NotFoundHandler(), both, func(c *entity.Config) {
		to := &c.Services[0]
		to.Protocol, to.Host = "grpc", "127.0.0.1"
		to.Port = ln.Addr().(*net.TCPAddr).Port
	}, entity.Record{"name": "grpc-web"}, entity.Record{"name": name, "config": movable()})
	text := "POST /grpc.testing.TestService/EmptyCall HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/grpc-web\r\n" +
		"Grpc-Timeout: 1n\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00"
	atOnce(func() {
		if answer := g.Raw(t, text); !strings.Contains(answer, " 504 ") {
			t.Errorf("answered %.200q", answer)
		}
	})
	if got := limitOf(t, g); got != manyRequests+4 {
		t.Errorf("the limit is %v", got)
	}
}
