package proxy

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

const oneRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// ask sends a request and reads its answer, which has no body.
func ask(t *testing.T, c net.Conn, br *bufio.Reader, request string) *http.Response {
	t.Helper()
	send(t, c, request)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res
}

func TestAParkedConnectionGoesOn(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.IdleTimeout = 4 * parkAfter }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	parked := func() bool { return g.clients.parked.Load() == 1 && g.server.http.GetCurrentConcurrency() == 0 }
	client := g.dial(t)
	await(t, "a connection that has asked for nothing is parked", parked)
	br := bufio.NewReader(client)
	for range 3 {
		if res := ask(t, client, br, oneRequest); res.StatusCode != 200 || res.Close {
			t.Fatalf("%d, close %v", res.StatusCode, res.Close)
		}
		if g.clients.parked.Load() != 0 {
			t.Error("counted as parked")
		}
		await(t, "parked", parked)
	}
	// In two parts, so that the first byte is not the whole of it.
	send(t, client, oneRequest[:5])
	await(t, "served", func() bool { return g.clients.parked.Load() == 0 })
	ask(t, client, br, oneRequest[5:])
	await(t, "parked", parked)
	if rest, took := ended(t, br); rest != "" || took < 2*parkAfter {
		t.Errorf("after %v in idleness it was told %q", took, rest)
	}
	await(t, "gone", func() bool { return g.clients.open.Load() == 0 && g.clients.parked.Load() == 0 })
	count(t, g.clients.metrics.idle, 1)
}

func TestAParkedConnectionWhoseClientGoesIsClosed(t *testing.T) {
	g := start(t, Config{}, 4)
	for _, end := range []func(*net.TCPConn) error{(*net.TCPConn).Close, (*net.TCPConn).CloseWrite, func(c *net.TCPConn) error {
		_ = c.SetLinger(0)
		return c.Close()
	}} {
		client := g.dial(t)
		await(t, "parked", func() bool { return g.clients.parked.Load() == 1 })
		_ = end(client)
		await(t, "gone", func() bool { return g.clients.open.Load() == 0 && g.clients.parked.Load() == 0 })
	}
	count(t, g.clients.metrics.idle, 0)
}

func TestADrainAnswersParkedConnections(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.DrainIdle = 20 * parkAfter }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	client, silent := g.dial(t), g.dial(t)
	await(t, "parked", func() bool { return g.clients.parked.Load() == 2 })
	drained := make(chan error, 1)
	go func() { drained <- g.server.Shutdown(context.Background()) }()
	g.server.serving.Wait()
	if res := ask(t, client, bufio.NewReader(client), oneRequest); res.StatusCode != 200 || !res.Close {
		t.Errorf("%d, close %v", res.StatusCode, res.Close)
	}
	if rest, took := ended(t, silent); rest != "" || took < 10*parkAfter {
		t.Errorf("a silent one was told %q after %v", rest, took)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestADrainEndsThoughClientsDoNot(t *testing.T) {
	origin := endless(t)
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	header := g.dial(t)
	reader := g.dial(t)
	refused := g.dial(t)
	send(t, header, "GET / HT")
	send(t, reader, "GET /known HTTP/1.1\r\nHost: x\r\n\r\n")
	send(t, refused, "GET /known HTTP/1.1\r\nHost : x\r\nContent-Length: 5000000\r\n\r\n") // lingers
	await(t, "served", func() bool { return g.clients.open.Load() == 2 && g.busy.Load() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := g.server.Shutdown(ctx); err == nil {
		t.Error("an unclean end is not told")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	for _, c := range []*net.TCPConn{header, reader, refused} {
		c.Close()
	}
}

func TestMoreConnectionsThanAllowed(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.MaxConnections = 3 }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	const one = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	var busy []*net.TCPConn
	for range 3 {
		c := g.dial(t)
		send(t, c, "GET / HTTP/1.1\r\n") // is asking for something
		busy = append(busy, c)
	}
	await(t, "accepted", func() bool { return g.clients.open.Load() == 3 })
	extra := g.dial(t)
	send(t, extra, one)
	if answer, _ := ended(t, extra); !strings.HasPrefix(answer, "HTTP/1.1 503 ") || !strings.HasSuffix(answer, tooMany) {
		t.Errorf("answered %q", answer)
	}
	count(t, g.clients.metrics.refused, 1)

	send(t, busy[0], "Host: x\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(busy[0]), nil); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	await(t, "parked", func() bool { return g.clients.parked.Load() == 1 })
	next := g.dial(t)
	send(t, next, one)
	if res, err := http.ReadResponse(bufio.NewReader(next), nil); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	if rest, _ := ended(t, busy[0]); rest != "" {
		t.Errorf("the idle one was told %q", rest)
	}
	count(t, g.clients.metrics.evicted, 1)
	count(t, g.clients.metrics.refused, 1)
}

// exhaustedListener is a listener whose process is out of file descriptors at first.
type exhaustedListener struct {
	net.Listener
	left atomic.Int64
}

func (l *exhaustedListener) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAWantOfFileDescriptorsPasses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	few := &exhaustedListener{Listener: ln}
	few.left.Store(3)
	a := newClients(ServerConfig{}, nil, nil)
	l := newListener(few, a, Protocols{})
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	count(t, a.metrics.acceptErrors, 3)
}
