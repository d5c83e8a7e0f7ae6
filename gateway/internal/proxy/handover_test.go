package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// startEcho is a gateway before an origin that switches protocols and echoes.
// ended has an element for each connection to the origin that is over.
func startEcho(t *testing.T) (g *gateway, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{}, 10)
	origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, c)
		ended <- struct{}{}
		return false
	})
	g = start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	return g, ended
}

// webSocket opens one, and returns it when it has echoed once.
func (g *gateway) webSocket(t *testing.T) (c net.Conn, br *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nping;")
	br = bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	h := res.Header
	if res.StatusCode != 101 || h.Get("Connection") != "upgrade" || h.Get("Content-Length") != "" || len(res.TransferEncoding) > 0 ||
		res.Close {
		t.Fatalf("got %d, %v", res.StatusCode, h)
	}
	if s, err := br.ReadString(';'); s != "ping;" {
		t.Fatalf("echoed %q: %v", s, err)
	}
	return c, br
}

func waitEnded(t *testing.T, ended chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the connection to the origin lives on")
	}
}

func TestAWebSocketThatOpensDuringADrainWorks(t *testing.T) {
	g, ended := startEcho(t)
	g.server.Drain()
	c, _ := g.webSocket(t)
	c.Close()
	waitEnded(t, ended)
}

func TestADrainWaitsForWebSockets(t *testing.T) {
	g, ended := startEcho(t)
	c, br := g.webSocket(t)
	drained := make(chan error, 1)
	go func() { drained <- g.server.Shutdown(context.Background()) }()
	g.server.serving.Wait() // no connection is accepted any more
	_, _ = io.WriteString(c, "pong;")
	if s, err := br.ReadString(';'); s != "pong;" {
		t.Errorf("during the drain: %q %v", s, err)
	}
	c.Close()
	waitEnded(t, ended)
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestADrainThatEndsClosesWebSockets(t *testing.T) {
	g, ended := startEcho(t)
	_, br := g.webSocket(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a drain that was broken off says %v", err)
	}
	if _, err := br.ReadByte(); err == nil {
		t.Error("the client's connection is open")
	}
	waitEnded(t, ended)
}

func TestAConnectionThatIsLostBeforeItIsHandedOverLeavesNothingBehind(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	defer near.Close()
	ctx := &fasthttp.RequestCtx{}
	ctx.Init2(near, nil, false)
	var h handovers
	lost := 0
	h.takeOver(ctx, func(net.Conn) { t.Error("used") }, func() { lost++ })
	h.closed(far)
	if lost != 0 {
		t.Error("given up for another connection's end")
	}
	h.closed(near)
	h.closed(near)
	if lost != 1 || h.count.Load() != 0 {
		t.Errorf("given up %d times, %d are left", lost, h.count.Load())
	}
}
