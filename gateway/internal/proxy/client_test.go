package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
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
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.WriteTimeout = pause; c.ResponseRate = 1 << 20; c.IdleTimeout = pause }), 4)
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
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.HeaderTimeout = 2 * pause; c.ReadTimeout = pause; c.BodyRate = 10_000 }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	const post = "POST / HTTP/1.1\r\nHost: x\r\n"
	for _, c := range []struct{ name, begin, then string }{
		{name: "request line", begin: "GE", then: "T"},
		{name: "header", begin: "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", then: "a"},
		{name: "header behind a request", begin: "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX-A: ", then: "a"},
		{name: "short body", begin: post + "Content-Length: 1000\r\n\r\n", then: "a"},
		{name: "body read whole", begin: post + "Content-Length: 60000\r\n\r\n" + strings.Repeat("a", 10000), then: "a"},
		{name: "long body", begin: post + "Content-Length: 10000000\r\n\r\n" + strings.Repeat("a", 10000), then: "a"},
		{name: "chunks", begin: post + "Transfer-Encoding: chunked\r\n\r\n", then: "1\r\na\r\n"},
		{name: "within a chunk", begin: post + "Transfer-Encoding: chunked\r\n\r\nffff\r\n", then: "a"},
		{name: "chunk size", begin: post + "Transfer-Encoding: chunked\r\n\r\n", then: "0"},
		{name: "chunk extension", begin: post + "Transfer-Encoding: chunked\r\n\r\n1;a=", then: "a"},
		{name: "trailers", begin: post + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: ", then: "a"},
		{name: "continued", begin: post + "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n", then: "a"},
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
	g := startServer(t, Config{}, limits(func(c *ServerConfig) {
		c.HeaderTimeout, c.ReadTimeout = pause, pause
		c.IdleTimeout = 2 * pause
	}), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	const one = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, c := range []struct{ name, begin, want string }{
		{name: "nothing was asked"},
		{name: "only an empty line", begin: "\r\n"},
		{name: "a header that stops", begin: "GET / HTTP/1.1\r\nHost", want: "408"},
		{name: "a body that stops", begin: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel", want: "408"},
		{name: "no body after 100", begin: "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
			want: "100 408"},
		{name: "no chunk after 100", begin: "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
			want: "100 408"},
		{name: "a kept connection", begin: one, want: "200"},
		{name: "a kept connection, HTTP/1.0", begin: "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", want: "200"},
		{name: "half a request behind another", begin: one + "GET / HT", want: "200 408"},
		{name: "half a request behind a body", begin: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET / HT",
			want: "200 408"},
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
