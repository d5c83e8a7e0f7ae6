package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gatelab/gateway/internal/entity"
)

// pause is the limit that tests set; what they allow is much longer, for slow
// machines.
const pause = 200 * time.Millisecond

func limits(change func(*ServerConfig)) ServerConfig {
	c := ServerConfig{
		MaxHeaderBytes: 16 << 10, IdleTimeout: time.Minute, HeaderTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
	}
	if change != nil {
		change(&c)
	}
	return c
}

// dial connects a client, whose every wait ends.
func (g *gateway) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c.(*net.TCPConn)
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// await polls until what is asked for is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not within 30 s: %s", what)
}

// ended reads until the gateway ends the connection, and tells how long it took.
func ended(t *testing.T, c io.Reader) (string, time.Duration) {
	t.Helper()
	began := time.Now()
	b, err := io.ReadAll(c)
	if isTimeout(err) {
		t.Fatalf("the connection does not end; it got %.200q", b)
	}
	return string(b), time.Since(began)
}

func count(t *testing.T, c prometheus.Collector, want float64) {
	t.Helper()
	if got := testutil.ToFloat64(c); got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// endless is an origin whose answers are longer than all buffers on the way.
func endless(t *testing.T) *httptest.Server {
	const size = 64 << 20
	return server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		_, _ = io.CopyN(w, zeros{}, size)
	})
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func TestAClientThatStopsReadingIsClosed(t *testing.T) {
	origin := endless(t)
	for _, c := range []struct{ name, ask string }{
		{"known length", "GET /known HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"chunked", "GET /chunked HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"until the end, HTTP/1.0", "GET /chunked HTTP/1.0\r\n\r\n"},
		{"many answers", strings.Repeat("GET /known HTTP/1.1\r\nHost: x\r\n\r\n", 50)},
	} {
		for _, streamAbove := range []int64{0, 128 << 20} {
			t.Run(fmt.Sprint(c.name, ", streamed above ", streamAbove), func(t *testing.T) {
				g := startServer(t, Config{StreamAbove: streamAbove}, limits(func(c *ServerConfig) { c.WriteTimeout = pause }), 4)
				g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
				client := g.dial(t)
				send(t, client, c.ask)
				await(t, "closed", func() bool { return testutil.ToFloat64(g.clients.metrics.write) == 1 && g.clients.open.Load() == 0 })
				// What was sent must not look whole.
				if _, err := io.Copy(io.Discard, client); err == nil {
					t.Error("the client sees an orderly end")
				}
			})
		}
	}
}

func TestAClientMustTakeALeastRate(t *testing.T) {
	origin := endless(t)
	for _, c := range []struct {
		rate int64
		ends bool
	}{{64 << 20, true}, {1 << 10, false}, {0, false}} {
		t.Run(fmt.Sprint(c.rate), func(t *testing.T) {
			g := startServer(t, Config{}, limits(func(s *ServerConfig) { s.WriteTimeout, s.ResponseRate = 5*pause, c.rate }), 4)
			g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
			client := g.dial(t)
			_ = client.SetReadBuffer(64 << 10)
			send(t, client, "GET /known HTTP/1.1\r\nHost: x\r\n\r\n")
			buf := make([]byte, 256<<10)
			open := true
			for began := time.Now(); open && time.Since(began) < 15*pause; time.Sleep(pause / 4) {
				_, err := client.Read(buf)
				open = err == nil
			}
			if open == c.ends {
				t.Errorf("open after a while: %v", open)
			}
		})
	}
}

func TestAStreamThatHasNothingToSayStaysOpen(t *testing.T) {
	more := make(chan struct{})
	origin := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 0\n\n")
		w.(http.Flusher).Flush()
		<-more
		fmt.Fprint(w, "data: 1\n\n")
	})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.WriteTimeout, c.ResponseRate, c.IdleTimeout = pause, 1<<20, pause }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for _, version := range []string{"1.0", "1.1"} {
		client := g.dial(t)
		send(t, client, "GET / HTTP/"+version+"\r\nHost: x\r\nConnection: close\r\n\r\n")
		br := bufio.NewReader(client)
		for line := ""; line != "data: 0\n"; {
			var err error
			if line, err = br.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * pause) // nothing can be waited for
		more <- struct{}{}
		if rest, _ := ended(t, br); !strings.Contains(rest, "data: 1\n\n") {
			t.Errorf("%s: after a silence came %q", version, rest)
		}
	}
	count(t, g.clients.metrics.write, 0)
}

// trickle sends a byte at a time until the gateway says something.
func trickle(t *testing.T, c *net.TCPConn, what string) string {
	t.Helper()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i = (i + 1) % len(what) {
			select {
			case <-stop:
				return
			case <-time.After(pause / 10):
			}
			if _, err := c.Write([]byte{what[i]}); err != nil {
				return
			}
		}
	}()
	answer, took := ended(t, c)
	close(stop)
	<-done
	if took < pause/2 {
		t.Errorf("ended already after %v", took)
	}
	return answer
}

func TestWhatTricklesEnds(t *testing.T) {
	var whole atomic.Int64
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			whole.Add(1)
		}
	})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.HeaderTimeout, c.ReadTimeout, c.BodyRate = 2*pause, pause, 10_000 }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	const post = "POST / HTTP/1.1\r\nHost: x\r\n"
	for _, c := range []struct{ name, begin, then string }{
		{"request line", "GE", "T"},
		{"header", "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", "a"},
		{"header behind a request", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX-A: ", "a"},
		{"short body", post + "Content-Length: 1000\r\n\r\n", "a"},
		{"body read whole", post + "Content-Length: 60000\r\n\r\n" + strings.Repeat("a", 10000), "a"},
		{"long body", post + "Content-Length: 10000000\r\n\r\n" + strings.Repeat("a", 10000), "a"},
		{"chunks", post + "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"},
		{"within a chunk", post + "Transfer-Encoding: chunked\r\n\r\nffff\r\n", "a"},
		{"chunk size", post + "Transfer-Encoding: chunked\r\n\r\n", "0"},
		{"chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n1;a=", "a"},
		{"trailers", post + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: ", "a"},
		{"continued", post + "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := g.dial(t)
			send(t, client, c.begin)
			answer := trickle(t, client, c.then)
			want := "HTTP/1.1 408 "
			if c.name == "chunk size" {
				want = "HTTP/1.1 4" // sixteen digits are refused before
			}
			if !strings.Contains(answer, want) {
				t.Errorf("answered %q", answer)
			}
		})
	}
	if n := whole.Load(); n != 1 { // the pipelined GET
		t.Errorf("the origin saw %d whole requests", n)
	}
	if header, body := testutil.ToFloat64(g.clients.metrics.header), testutil.ToFloat64(g.clients.metrics.body); header != 3 || body < 8 {
		t.Errorf("counted %v headers, %v bodies", header, body)
	}
}

func TestARequestThatNeverBeginsOrGoesOnEnds(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.HeaderTimeout, c.ReadTimeout, c.IdleTimeout = pause, pause, 2*pause }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	const one = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, c := range []struct{ name, begin, want string }{
		{"nothing was asked", "", ""},
		{"only an empty line", "\r\n", ""},
		{"a header that stops", "GET / HTTP/1.1\r\nHost", "408"},
		{"a body that stops", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel", "408"},
		{"no body after 100", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "100 408"},
		{"no chunk after 100", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", "100 408"},
		{"a kept connection", one, "200"},
		{"a kept connection, HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", "200"},
		{"half a request behind another", one + "GET / HT", "200 408"},
		{"half a request behind a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET / HT", "200 408"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := g.dial(t)
			send(t, client, c.begin)
			answer, _ := ended(t, client)
			var got []string
			for _, part := range strings.Split(answer, "HTTP/1.1 ")[1:] {
				got = append(got, part[:3])
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("answered %q", answer)
			}
		})
	}
	await(t, "all are gone", func() bool { return g.clients.open.Load() == 0 && g.clients.parked.Load() == 0 })
}

func TestAnUploadMayTakeItsTime(t *testing.T) {
	release := make(chan struct{}, 10)
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.ReadTimeout, c.BodyRate = 2*pause, 100_000 }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	const size = 16 << 20 // more than the buffers on the way take
	t.Run("the upstream is slow", func(t *testing.T) {
		client := g.dial(t)
		send(t, client, fmt.Sprintf("POST /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size))
		time.AfterFunc(8*pause, func() { release <- struct{}{} })
		if _, err := io.CopyN(client, zeros{}, size); err != nil {
			t.Fatal(err)
		}
		if answer, _ := ended(t, client); !strings.HasSuffix(answer, fmt.Sprint(size, " <nil>")) {
			t.Errorf("answered %q", answer)
		}
	})
	t.Run("the client keeps the pace", func(t *testing.T) {
		client := g.dial(t)
		send(t, client, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := "2000\r\n" + strings.Repeat("a", 0x2000) + "\r\n"
		for range 30 { // 1.6 MB/s, for far longer than a pause may last
			time.Sleep(pause / 4)
			send(t, client, chunk)
		}
		send(t, client, "0\r\n\r\n")
		if answer, _ := ended(t, client); !strings.Contains(answer, fmt.Sprint(30*0x2000, " <nil>")) {
			t.Errorf("answered %q", answer)
		}
	})
	count(t, g.clients.metrics.body, 0)
}

func TestTheAnswerArrivesThoughTheBodyIsStillComing(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{MaxBodyBytes: 4 << 20}, limits(func(c *ServerConfig) { c.MaxConnections = 100 }), 4)
	keyAuth := entity.Plugin{ID: "p", Name: "key-auth", Enabled: true, Config: map[string]any{"key_names": []any{"apikey"}, "key_in_header": true, "run_on_preflight": true}}
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, keyAuth))
	for _, c := range []struct {
		head string
		size int
		want string
	}{
		{"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n", 100000, "401"},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n", 4000000, "401"},
		{"POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n", 4000000, "401"},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n", 40000000, "413"},
		{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2000000\r\n", 0x2000000, "401"},
		{"POST / HTTP/1.1\r\nHost : x\r\nContent-Length: 4000000\r\n\r\n", 4000000, "400"},
		{"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", 4000000, "431"},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 4000000, "401"},
	} {
		client := g.dial(t)
		send(t, client, c.head)
		_, _ = io.CopyN(client, zeros{}, int64(c.size)) // all of it before reading, as many clients do
		answer, err := io.ReadAll(client)
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 "+c.want)) || err != nil {
			t.Errorf("%q and %d bytes: %.100q, %v", c.head, c.size, answer, err)
		}
	}
}

func TestAClientThatEndsItsDirectionIsGone(t *testing.T) {
	canceled := make(chan struct{})
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(canceled)
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	client := g.dial(t)
	send(t, client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = client.CloseWrite()
	if answer, _ := ended(t, client); !strings.HasPrefix(answer, "HTTP/1.1 499 ") {
		t.Errorf("answered %q", answer)
	}
	waitEnded(t, canceled)
}

func TestAnOldClientSeesThatABodyBrokeOff(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		return false
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	client := g.dial(t)
	send(t, client, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
	if answer, err := io.ReadAll(client); err == nil {
		t.Errorf("got %q as if it were whole", answer)
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

// exhausted is a listener whose process is out of file descriptors at first.
type exhausted struct {
	net.Listener
	left atomic.Int64
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAWantOfFileDescriptorsPasses(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &exhausted{Listener: ln}
	l.left.Store(3)
	second := NewServer(g.Proxy, limits(nil))
	done := make(chan error, 1)
	go func() { done <- second.Serve(l) }()
	if res, _ := get(t, "http://"+ln.Addr().String()+"/"); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
	count(t, g.clients.metrics.acceptErrors, 3)
	http.DefaultClient.CloseIdleConnections()
	if err := second.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
