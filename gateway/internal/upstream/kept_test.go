package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// poison is an answer that no request asked for.
const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Poison: 1\r\n\r\npoison"

// lateOrigin answers "/first" with words, and late bytes once idle is closed; all
// other requests are answered with their X-Id. written is closed when the late
// bytes have been written, or the end has.
func lateOrigin(t *testing.T, words, late string) (url string, idle, written chan struct{}) {
	idle, written = make(chan struct{}), make(chan struct{})
	url, _ = listen(t, func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path != "/first" {
				id := r.Header.Get("X-Id")
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
				continue
			}
			_, _ = io.WriteString(c, words)
			select {
			case <-idle:
			case <-time.After(10 * time.Second):
				return
			}
			if late == "" {
				c.Close()
			}
			_, _ = io.WriteString(c, late)
			close(written)
		}
	})
	return url, idle, written
}

// finish reads a response to its end, as the codec does.
func finish(t *testing.T, c *Call) string {
	t.Helper()
	if !c.Streamed {
		return string(c.Response.Body())
	}
	b, err := io.ReadAll(struct{ io.Reader }{c.Response.BodyStream()})
	if err != nil {
		t.Errorf("the body: %v", err)
	}
	_ = c.Response.CloseBodyStream()
	return string(b)
}

func TestLateBytesAreNoAnswer(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, way := range []struct {
		name, method, words string
		config              Config
	}{
		{name: "204", method: "GET", words: "HTTP/1.1 204 No Content\r\n\r\n", config: Config{}},
		{name: "304", method: "GET", words: "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", config: Config{}},
		{name: "304 with the length of a 200", method: "GET", words: "HTTP/1.1 304 Not Modified\r\nContent-Length: 60\r\n\r\n",
			config: Config{}},
		{name: "205", method: "GET", words: "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", config: Config{}},
		{name: "an answer to HEAD", method: "HEAD", words: ok + "Content-Length: 60\r\n\r\n", config: Config{}},
		{name: "an answer to HEAD in chunks", method: "HEAD", words: ok + "Transfer-Encoding: chunked\r\n\r\n", config: Config{}},
		{name: "an empty body", method: "GET", words: ok + "Content-Length: 0\r\n\r\n", config: Config{}},
		{name: "a body of known length", method: "GET", words: ok + "Content-Length: 5\r\n\r\nhello", config: Config{}},
		{name: "a streamed body of known length", method: "GET", words: ok + "Content-Length: 5\r\n\r\nhello",
			config: Config{StreamAbove: 1}},
		{name: "a chunked body", method: "GET", words: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", config: Config{}},
		{name: "a chunked body with trailers", method: "GET",
			words: ok + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", config: Config{}},
		{name: "an event stream of known length", method: "GET",
			words: ok + "Content-Type: text/event-stream\r\nContent-Length: 5\r\n\r\nhello", config: Config{}},
		{name: "HTTP/1.0 with keep-alive", method: "GET",
			words: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", config: Config{}},
		{name: "interim answers", method: "GET",
			words:  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello",
			config: Config{}},
		{name: "POST", method: "POST", words: ok + "Content-Length: 5\r\n\r\nhello", config: Config{}},
		{name: "PUT", method: "PUT", words: "HTTP/1.1 204 No Content\r\n\r\n", config: Config{}},
		{name: "an error that is not sent again", method: "GET", words: "HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhello",
			config: Config{}},
	} {
		for what, late := range map[string]string{"an answer": poison, "a line end": "\r\n", "a byte": "H", "an end": ""} {
			t.Run(way.name+", then "+what, func(t *testing.T) {
				t.Parallel()
				url, idle, written := lateOrigin(t, way.words, late)
				p := newPools(t, way.config)
				b := serviceAt(t, p, url)
				first := newCall(b)
				first.Request.Header.SetMethod(way.method)
				first.Request.SetRequestURI("/first")
				if err := p.Do(first); err != nil {
					t.Fatal(err)
				}
				finish(t, first)
				close(idle)
				select {
				case <-written:
				case <-time.After(10 * time.Second):
					t.Fatal("the origin did not come to its late bytes")
				}
				for i, method := range []string{"GET", "POST", "HEAD", "DELETE", "GET", "PATCH", "GET", "PUT", "GET", "GET"} {
					c := newCall(b)
					id := fmt.Sprint("client-", i)
					c.Request.Header.SetMethod(method)
					c.Request.Header.Set("X-Id", id)
					if err := p.Do(c); err != nil {
						t.Fatalf("client %d: %v", i, err)
					}
					if got := finish(t, c); got != id && method != "HEAD" || len(c.Response.Header.Peek("X-Poison")) > 0 {
						t.Fatalf("client %d got %q", i, got)
					}
				}
				if n := testutil.ToFloat64(p.metrics.unsolicited[whenIdle]); late != "" && n != 1 || late == "" && n != 0 {
					t.Errorf("%v connections are counted for late bytes", n)
				}
			})
		}
	}
}

func TestAnIdleConnectionWithBytesIsClosedWithoutARequest(t *testing.T) {
	idle, closed := make(chan struct{}), make(chan struct{})
	url, _ := listen(t, func(c net.Conn) {
		defer close(closed)
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		<-idle
		_, _ = io.WriteString(c, poison)
		_, _ = io.Copy(io.Discard, c) // until the gateway closes
	})
	p := newPools(t, Config{KeepaliveIdle: time.Hour})
	if _, err := ask(p, serviceAt(t, p, url), "GET", 0); err != nil {
		t.Fatal(err)
	}
	close(idle)
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
	eventually(t, "the bytes are counted", func() bool { return testutil.ToFloat64(p.metrics.unsolicited[whenIdle]) == 1 })
}

func TestBytesBeyondAnAnswerAreCounted(t *testing.T) {
	url, connections := listen(t, func(c net.Conn) { answerAll(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"+poison) })
	p := newPools(t, Config{})
	b := serviceAt(t, p, url)
	for range 3 {
		c := newCall(b)
		if err := p.Do(c); err != nil || string(c.Response.Body()) != "ok" {
			t.Errorf("got %q: %v", c.Response.Body(), err)
		}
	}
	if n := connections.Load(); n != 3 {
		t.Errorf("%d connections for three such answers", n)
	}
	if n := testutil.ToFloat64(p.metrics.unsolicited[whenAnswered]); n != 3 {
		t.Errorf("%v are counted", n)
	}
}

// The look before a reuse cannot see what comes after it. The peer's kernel can
// tell: it had not confirmed the request when those bytes left.
func TestBytesThatComeWhileARequestIsSentAreNoAnswer(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			idle, poisoned := make(chan net.Conn, 1), make(chan struct{})
			var met atomic.Bool
			url, _ := listen(t, func(c net.Conn) {
				if met.Swap(true) {
					answerAll(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					return
				}
				br := bufio.NewReader(c)
				for range 20 { // beyond the kernel's quick acknowledgements at a connection's start
					if _, err := http.ReadRequest(br); err != nil {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
				}
				idle <- c
				<-poisoned
				_, _ = io.Copy(io.Discard, br) // until the gateway closes
			})
			p := newPools(t, Config{})
			b := serviceAt(t, p, url)
			for range 20 {
				if _, err := ask(p, b, "GET", 0); err != nil {
					t.Fatal(err)
				}
			}
			peer := <-idle
			call := newCall(b)
			call.Request.Header.SetMethod(method)
			var once sync.Once
			call.OnConn = func(io.Closer) { // between the look and the request
				once.Do(func() {
					_, _ = io.WriteString(peer, poison)
					close(poisoned)
				})
			}
			err := p.Do(call)
			if method == "GET" && (err != nil || string(call.Response.Body()) != "ok") {
				t.Errorf("a GET was answered %q: %v; want it sent again", call.Response.Body(), err)
			}
			if method == "POST" && err == nil {
				t.Errorf("a POST was answered %q, want an error: it may have been taken", call.Response.Body())
			}
			if n := testutil.ToFloat64(p.metrics.unsolicited[whenSending]); n != 1 {
				t.Errorf("%v are counted", n)
			}
		})
	}
}

// Who sends unasked once may do it at a moment when it cannot be told: there is
// no second request on its connections for a while.
func TestATargetThatTalksUnaskedGetsNoSecondRequestOnAConnection(t *testing.T) {
	target := &Target{}
	if target.isDistrusted() {
		t.Fatal("distrusted from the start")
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(&Pools{}, nil)
		target := &Target{}
		m.unsolicitedBytes(target, whenIdle)
		if !target.isDistrusted() {
			t.Error("trusted at once")
		}
		time.Sleep((distrustFor + 1) * time.Second)
		if target.isDistrusted() {
			t.Error("distrusted for ever")
		}
	})
}
