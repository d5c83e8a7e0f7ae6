package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// startTunnels is a gateway before an origin that switches protocols and then
// does as it is told. The service's read_timeout is short.
func startTunnels(t *testing.T, origin func(c net.Conn)) (g *gateway, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{}, 10)
	peer := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\n"+
			"Keep-Alive: timeout=5\r\nUpgrade: websocket\r\n\r\n")
		origin(c)
		ended <- struct{}{}
		return false
	})
	g = startServer(t, Config{AccessLog: LogAll}, limits(func(c *ServerConfig) { c.WriteTimeout = pause }), 4)
	c := config(peer.url, entity.Route{Paths: []string{"/"}})
	c.Services[0].ReadTimeout = int(2 * pause / time.Millisecond)
	g.apply(t, c)
	return g, ended
}

// openTunnel returns a client's end of a tunnel.
func (g *gateway) openTunnel(t *testing.T) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c := g.dial(t)
	br := bufio.NewReader(c)
	res := ask(t, c, br, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	h := res.Header
	if res.StatusCode != 101 || h.Get("Connection") != "upgrade" || h.Get("Upgrade") != "websocket" || h.Get("Keep-Alive") != "" {
		t.Fatalf("got %d, %v", res.StatusCode, h)
	}
	return c, br
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// tunnelEnded waits for what is said of a tunnel when it has ended.
func (g *gateway) tunnelEnded(t *testing.T, fields ...string) {
	t.Helper()
	g.waitForLog(t, `"status":101`)
	for _, f := range fields {
		if !strings.Contains(g.log.String(), f) {
			t.Errorf("the log does not say %s: %s", f, g.log)
		}
	}
	if n := strings.Count(g.log.String(), `"status":101`); n != 1 {
		t.Errorf("logged %d times", n)
	}
	count(t, g.tunnels.open, 0)
	count(t, g.tunnels.opened, 1)
	await(t, "no request is under way", func() bool { return g.busy.Load() == 0 })
}

func TestATunnelThatIsIdleEndsOnBothSides(t *testing.T) {
	g, done := startTunnels(t, echo)
	client, br := g.openTunnel(t)
	await(t, "counted", func() bool { return testutil.ToFloat64(g.tunnels.open) == 1 })
	for range 10 { // for longer than it may be idle
		time.Sleep(pause / 2)
		send(t, client, "ping;")
		if s, err := br.ReadString(';'); s != "ping;" {
			t.Fatalf("echoed %q: %v", s, err)
		}
	}
	if strings.Contains(g.log.String(), `"status":101`) {
		t.Error("logged before its end")
	}
	if rest, took := ended(t, br); rest != "" || took < pause {
		t.Errorf("ended after %v with %q", took, rest)
	}
	waitEnded(t, done)
	g.tunnelEnded(t, `"tunnel_end":"idle"`, `"bytes_sent":50`, `"bytes_received":50`, `"seconds":`)
	count(t, g.tunnels.toClient, 50)
	count(t, g.tunnels.toUpstream, 50)
}

func TestOneDirectionKeepsATunnelOpen(t *testing.T) {
	stop := make(chan struct{})
	g, done := startTunnels(t, func(c net.Conn) {
		for {
			select {
			case <-stop:
				return
			case <-time.After(pause / 4):
			}
			if _, err := io.WriteString(c, "tick;"); err != nil {
				return
			}
		}
	})
	_, br := g.openTunnel(t)
	for began := time.Now(); time.Since(began) < 8*pause; {
		if _, err := br.ReadString(';'); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	waitEnded(t, done)
	ended(t, br) // the upstream's end is the client's, though that one sends nothing
	g.tunnelEnded(t, `"tunnel_end":"upstream closed"`, `"bytes_received":0`)
}

func TestATunnelMayEndByHalves(t *testing.T) {
	g, done := startTunnels(t, func(c net.Conn) {
		b, _ := io.ReadAll(c) // until the client has nothing more to say
		_, _ = c.Write(b)
	})
	client, br := g.openTunnel(t)
	send(t, client, "last words")
	_ = client.CloseWrite()
	if rest, _ := ended(t, br); rest != "last words" {
		t.Errorf("got %q", rest)
	}
	waitEnded(t, done)
	g.tunnelEnded(t, `"tunnel_end":"client closed"`, `"bytes_received":10`, `"bytes_sent":10`)
}

func TestATunnelWhoseClientStopsReadingEnds(t *testing.T) {
	g, done := startTunnels(t, func(c net.Conn) { _, _ = io.Copy(c, zeros{}) })
	g.openTunnel(t)
	waitEnded(t, done)
	g.tunnelEnded(t, `"tunnel_end":"client failed"`)
	count(t, g.clients.metrics.write, 1)
}

func TestADrainLogsTheTunnelsItCloses(t *testing.T) {
	g, done := startTunnels(t, echo)
	c := config("http://127.0.0.1:1", entity.Route{Paths: []string{"/other"}})
	_, br := g.openTunnel(t)
	c.Revision = 2
	g.apply(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), pause/2)
	defer cancel()
	began := time.Now()
	if err := g.server.Shutdown(ctx); err == nil || time.Since(began) < pause/2 {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	ended(t, br)
	waitEnded(t, done)
	g.tunnelEnded(t, `"tunnel_end":"drain"`)
}

func TestTheTotalsOfTunnelsAreThereBeforeTheFirst(t *testing.T) {
	g := start(t, Config{}, 4)
	for name, want := range map[string]int{
		"gateway_tunnels": 1, "gateway_tunnels_total": 1, "gateway_tunnel_bytes_total": 2, "gateway_client_timeouts_total": 4,
		"gateway_client_connections": 1, "gateway_client_connections_parked": 1, "gateway_client_connections_refused_total": 1,
		"gateway_client_connections_evicted_total": 1, "gateway_client_accept_errors_total": 1,
	} {
		if n, err := testutil.GatherAndCount(g.reg, name); err != nil || n != want {
			t.Errorf("%s has %d series, want %d: %v", name, n, want, err)
		}
	}
}
