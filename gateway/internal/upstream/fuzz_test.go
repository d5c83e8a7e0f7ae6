package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// FuzzResponseHead reads a header block in pieces. However it is cut, it is
// read alike, and what the gateway would write of it has no line of its own
// making.
func FuzzResponseHead(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
		"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\td\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTrailer: X-A\r\n\t, X-B\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.0 204 \r\nSet-Cookie: a=b\r\nSet-Cookie: c\r\nX-A :\tb \r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 200 O\rK\r\nX: \x00\r\n\r\n",
		"\r\nHTTP/1.1 200 OK\r\n\r\n",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, wire []byte, piece int) {
		const most = 1 << 20
		read := func(src io.Reader, buffer int) (h *fasthttp.ResponseHeader, n int, rest []byte, err error) {
			h = &fasthttp.ResponseHeader{}
			k := &conn{br: bufio.NewReaderSize(src, buffer)}
			if n, err = k.readHead(h, most); err == nil {
				rest, _ = io.ReadAll(k.br)
			}
			return h, n, rest, err
		}
		whole, n, rest, err := read(bytes.NewReader(wire), max(len(wire), 16))
		parts, m, tail, perr := read(&pieces{wire, 1 + piece&15}, 16)
		if (err == nil) != (perr == nil) {
			t.Fatalf("at once %v, in pieces %v", err, perr)
		}
		if err != nil {
			return
		}
		if n != m || n+len(rest) != len(wire) || !bytes.Equal(rest, tail) || fieldsOf(whole) != fieldsOf(parts) {
			t.Fatalf("%d bytes, %q and %q left\nat once %q\nin pieces, %d bytes, %q", n, rest, tail, fieldsOf(whole), m, fieldsOf(parts))
		}
		if s := whole.StatusCode(); s < 100 || s > 999 {
			t.Fatalf("status %d", s)
		}
		if strings.ContainsAny(fieldsOf(whole), "\r\x00") || strings.Count(fieldsOf(whole), "\n") != strings.Count(fieldsOf(whole), "\n=") {
			t.Fatalf("fields with line ends: %q", fieldsOf(whole))
		}
	})
}

// fieldsOf is what the gateway would pass on of a header.
func fieldsOf(h *fasthttp.ResponseHeader) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d %s %d", h.StatusCode(), h.StatusMessage(), h.ContentLength())
	for name, value := range h.All() {
		fmt.Fprintf(&out, "\n=%s: %s", name, value)
	}
	return out.String()
}

// pieces returns a few bytes at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}

// FuzzChunks compares with the standard library's lenient reader: what ours
// takes, that one takes too, with the same data.
func FuzzChunks(f *testing.F) {
	for _, wire := range brokenChunks {
		if len(wire) < 200 {
			f.Add([]byte(wire), 1)
		}
	}
	f.Add([]byte("5;a=\"b\\\"\";c\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-A: b\r\n\r\nnext"), 2)
	f.Fuzz(func(t *testing.T, wire []byte, piece int) {
		body, br, err := readChunks(bytes.NewReader(wire))
		parts, _, perr := readChunks(&pieces{wire, 1 + piece&15})
		if body != parts || (err == nil) != (perr == nil) {
			t.Fatalf("at once %q %v, in pieces %q %v", body, err, parts, perr)
		}
		if err != nil {
			return
		}
		lenient, lerr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(wire)))
		if lerr != nil || string(lenient) != body {
			t.Fatalf("read %q, the standard library %q: %v", body, lenient, lerr)
		}
		rest, _ := io.ReadAll(br)
		if end := wire[:len(wire)-len(rest)]; !bytes.HasSuffix(end, []byte("\r\n\r\n")) {
			t.Fatalf("taken for a whole body: %q", end)
		}
	})
}

// answer is what an upstream sends to the first client.
type answer struct {
	wire []byte
	once sync.Once
	sent chan struct{}
}

// patient makes a call that only awaitRunning gives up.
func patient(c *Call) *Call {
	c.Connect, c.Write = time.Minute, time.Minute
	c.Read = time.Minute
	return c
}

// awaitRunning waits for five seconds in which the process runs: on a busy machine,
// where it does not, ticks are lost, and it waits for longer.
func awaitRunning(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
	t.Fatalf("%s does not come", what)
}

// FuzzAnswers has an upstream send anything for an answer to a first client.
// The second client gets its own answer, whatever that was.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		poison + poison,
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n" + poison,
		"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + poison,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX\n" + poison,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + poison,
		"HTTP/1.1 103 Early Hints\r\n\r\n" + poison + "\r\n",
		"HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 0\n\n" + poison,
	} {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(1))
	}
	var first atomic.Pointer[answer]
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					if r.URL.Path == "/first" {
						a := first.Load()
						_, _ = c.Write(a.wire)
						a.once.Do(func() { close(a.sent) }) // it may be asked for again
						continue
					}
					id := r.Header.Get("X-Id")
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Id: %s\r\nContent-Length: %d\r\n\r\n%s", id, len(id), id)
				}
			}()
		}
	}()
	f.Fuzz(func(t *testing.T, wire []byte, kind byte) {
		var err error
		p := newPools(t, Config{})
		b := serviceAt(t, p, "http://"+ln.Addr().String())
		a := &answer{wire: wire, sent: make(chan struct{})}
		first.Store(a)
		call := patient(newCall(b))
		call.Read = 50 * time.Millisecond // it may not end
		call.Request.SetRequestURI("/first")
		if kind&1 != 0 {
			call.Request.Header.SetMethod("HEAD")
		}
		if err := p.Do(call); err == nil && call.Streamed {
			_, _ = io.Copy(io.Discard, struct{ io.Reader }{call.Response.BodyStream()})
			_ = call.Response.CloseBodyStream()
		}
		awaitRunning(t, "the first answer", a.sent)
		second := patient(newCall(b))
		second.Request.Header.Set("X-Id", "second")
		done := make(chan struct{})
		go func() {
			defer close(done)
			err = p.Do(second)
		}()
		if awaitRunning(t, "the second answer", done); err != nil {
			t.Fatal(err)
		}
		if got := finish(t, second); got != "second" || string(second.Response.Header.Peek("X-Id")) != "second" {
			t.Fatalf("the second client got %q: %q", got, second.Response.Header.String())
		}
	})
}
