package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// slowWire is a client's connection below TLS, which may send its records a byte
// at a time.
type slowWire struct {
	net.Conn
	slow atomic.Bool
}

func (w *slowWire) Write(b []byte) (int, error) {
	if !w.slow.Load() {
		return w.Conn.Write(b)
	}
	for i := range b {
		if _, err := w.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
		time.Sleep(pause / 10)
	}
	return len(b), nil
}

// dialSlowly is dialTLS over a slowWire.
func dialSlowly(t *testing.T, address string) (*tls.Conn, *slowWire) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	w := &slowWire{Conn: c}
	client := tls.Client(w, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test's own
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	return client, w
}

// startTLS is a gateway before an origin, with a listener of its own for TLS.
func startTLS(t *testing.T, h http.HandlerFunc, change func(*ServerConfig)) (*gateway, string) {
	t.Helper()
	origin := server(t, h)
	g := startServer(t, Config{AccessLog: LogAll}, limits(change), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	return g, g.listen(t, Protocols{TLS: true})
}

func readAll(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

func TestAParkedTLSConnectionGoesOn(t *testing.T) {
	g, address := startTLS(t, readAll, func(c *ServerConfig) { c.IdleTimeout = 8 * parkAfter })
	client := dialTLS(t, address, nil)
	br := bufio.NewReader(client)
	for range 3 {
		await(t, "parked", func() bool { return g.clients.parked.Load() == 1 })
		if res := ask(t, client, br, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"); res.StatusCode != 200 {
			t.Fatal(res.StatusCode)
		}
	}
	if rest, took := ended(t, client); rest != "" || took < 4*parkAfter {
		t.Errorf("an idle one ends with %q after %v", rest, took)
	}
	await(t, "gone", func() bool { return g.clients.open.Load() == 0 && g.clients.parked.Load() == 0 })
	count(t, g.clients.metrics.idle, 1)
}

func TestRecordsThatComeSlowlyEnd(t *testing.T) {
	g, address := startTLS(t, readAll, func(c *ServerConfig) {
		c.HeaderTimeout, c.ReadTimeout = 2*pause, pause
		c.BodyRate = 10_000
	})
	for _, c := range []struct {
		name, begin, then, want string
		counter                 func() float64
	}{
		{name: "the first record of a request", then: oneRequest},
		{name: "of a later request", begin: oneRequest, then: oneRequest, want: "200"},
		{name: "within a header", begin: "GET / HTTP/1.1\r\n", then: "Host: x\r\n\r\n" + strings.Repeat("x", 100), want: "408"},
		{name: "within a body", begin: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n",
			then: strings.Repeat("x", 2000), want: "408"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, wire := dialSlowly(t, address)
			if c.begin != "" {
				send(t, client, c.begin)
			}
			if c.want == "200" {
				await(t, "answered", func() bool { return strings.Contains(g.log.String(), `"status":200`) })
			}
			wire.slow.Store(true)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = io.WriteString(client, c.then)
			}()
			answer, took := ended(t, client)
			wire.Close()
			<-sent
			got := ""
			if len(answer) > 12 {
				got = answer[9:12]
			}
			if got != c.want || took < pause/2 {
				t.Errorf("answered %q after %v", answer, took)
			}
		})
	}
}

func TestARecordMayTakeItsTimeWhileItComes(t *testing.T) {
	g, address := startTLS(t, readAll, func(c *ServerConfig) { c.ReadTimeout = 2 * pause })
	client, wire := dialSlowly(t, address)
	send(t, client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n")
	wire.slow.Store(true)
	send(t, client, strings.Repeat("x", 60)) // 80 bytes, eight pauses
	res, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil || res.StatusCode != 200 {
		t.Errorf("%v, %v", res, err)
	}
	count(t, g.clients.metrics.body, 0)
}

func TestATLSClientThatStopsReadingIsClosed(t *testing.T) {
	origin := endless(t)
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.WriteTimeout = pause }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	address := g.listen(t, Protocols{TLS: true})
	for i, path := range []string{"/known", "/chunked"} {
		client := dialTLS(t, address, nil)
		send(t, client, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		await(t, "closed", func() bool {
			return testutil.ToFloat64(g.clients.metrics.write) == float64(i+1) && g.clients.open.Load() == 0
		})
		if _, err := io.Copy(io.Discard, client); err == nil {
			t.Errorf("%s: the client sees an orderly end", path)
		}
	}
}

func TestATLSClientThatLeavesEndsTheUpstreamsWork(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(*tls.Conn)
	}{
		{name: "with a goodbye", leave: func(c *tls.Conn) { _ = c.Close() }},
		{name: "without one", leave: func(c *tls.Conn) { _ = c.NetConn().Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			began, lost := make(chan struct{}), make(chan struct{})
			g, address := startTLS(t, func(_ http.ResponseWriter, r *http.Request) {
				close(began)
				<-r.Context().Done()
				close(lost)
			}, nil)
			client := dialTLS(t, address, nil)
			send(t, client, oneRequest)
			<-began
			c.leave(client)
			select {
			case <-lost:
			case <-time.After(20 * time.Second):
				t.Fatal("the origin still works")
			}
			g.waitForLog(t, `"status":499`)
		})
	}
}

func TestADrainOfTLSConnections(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	g, address := startTLS(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(began)
			<-release
		}
	}, func(c *ServerConfig) { c.DrainIdle = 4 * parkAfter })
	idle, busy := dialTLS(t, address, nil), dialTLS(t, address, nil)
	shy := dialTCP(t, address)
	await(t, "parked", func() bool { return g.clients.parked.Load() == 2 })
	send(t, busy, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	drained := make(chan error, 1)
	go func() { drained <- g.server.Shutdown(context.Background()) }()
	g.server.serving.Wait()
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("a listener is still open")
	}
	if res := ask(t, idle, bufio.NewReader(idle), oneRequest); res.StatusCode != 200 || !res.Close {
		t.Errorf("an idle one: %d, close %v", res.StatusCode, res.Close)
	}
	close(release)
	if res, err := http.ReadResponse(bufio.NewReader(busy), nil); err != nil || res.StatusCode != 200 || !res.Close {
		t.Errorf("a busy one: %v, %v", res, err)
	}
	if rest, took := ended(t, shy); rest != "" || took > 20*time.Second {
		t.Errorf("one in its handshake ends with %q after %v", rest, took)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func dialTCP(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	return (&gateway{url: "http://" + address}).dial(t)
}

func TestHandshakesThatFail(t *testing.T) {
	g, address := startTLS(t, readAll, func(c *ServerConfig) { c.HeaderTimeout = pause })
	for _, c := range []struct{ name, say, reason, want string }{
		{name: "nothing comes", reason: handshakeTimeout},
		{name: "plain HTTP", say: oneRequest, reason: handshakePlain, want: "Content-Length: 66\r\n\r\n" + wantsTLS},
		{name: "neither", say: "SSH-2.0-OpenSSH_9.9\r\n", reason: handshakeOther},
	} {
		client := dialTCP(t, address)
		send(t, client, c.say)
		answer, _ := ended(t, client)
		if c.want == "" && strings.Contains(answer, "HTTP") || !strings.Contains(answer, c.want) {
			t.Errorf("%s: answered %q", c.name, answer)
		}
		count(t, g.clients.metrics.tls.failures.WithLabelValues(c.reason), 1)
	}
	await(t, "all are gone", func() bool { return g.clients.open.Load() == 0 })
}

func TestMoreTLSConnectionsThanAllowed(t *testing.T) {
	g, address := startTLS(t, readAll, func(c *ServerConfig) { c.MaxConnections = 2 })
	first, second := dialTLS(t, address, nil), dialTLS(t, address, nil)
	await(t, "parked", func() bool { return g.clients.parked.Load() == 2 })
	third := dialTLS(t, address, nil) // takes the place of an idle one
	if res := ask(t, third, bufio.NewReader(third), oneRequest); res.StatusCode != 200 {
		t.Error(res.StatusCode)
	}
	count(t, g.clients.metrics.evicted, 1)
	_, _ = first, second
}

func TestATunnelOverTLS(t *testing.T) {
	g, done := startTunnels(t, echo)
	client := dialTLS(t, g.listen(t, Protocols{TLS: true}), nil)
	br := bufio.NewReader(client)
	res := ask(t, client, br, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if res.StatusCode != 101 {
		t.Fatal(res.StatusCode)
	}
	send(t, client, "ping;")
	if got, err := br.ReadString(';'); err != nil || got != "ping;" {
		t.Errorf("%q, %v", got, err)
	}
	_ = client.CloseWrite()
	if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	<-done
	g.tunnelEnded(t, `"tunnel_end":"client closed"`, `"tls":"1.3"`)
}
