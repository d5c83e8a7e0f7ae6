package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// hostileHTTP2 is an upstream that answers requests for /bad with whatever frames
// a test likes, and others well.
type hostileHTTP2 struct {
	address string
	asked   atomic.Int64 // for /bad
	bad     func(c *rawHTTP2, id uint32)
}

func startHostileHTTP2(t *testing.T, bad func(c *rawHTTP2, id uint32)) *hostileHTTP2 {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &hostileHTTP2{address: ln.Addr().String(), bad: bad}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			all.Go(func() { o.serve(t, c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return o
}

func (o *hostileHTTP2) serve(t *testing.T, nc net.Conn) {
	defer nc.Close()
	if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	c := &rawHTTP2{t: t, Conn: nc, Framer: http2.NewFramer(nc, nc)}
	c.ReadMetaHeaders, c.AllowIllegalWrites = hpack.NewDecoder(4096, nil), true
	c.enc = hpack.NewEncoder(&c.head)
	_ = c.WriteSettings()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = c.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			if f.PseudoValue("path") == "/bad" {
				o.asked.Add(1)
				o.bad(c, f.StreamID)
				continue
			}
			c.say(f.StreamID, false, ":status", "200", "content-length", "4")
			_ = c.WriteData(f.StreamID, true, []byte("good"))
		}
	}
}

// say sends a header; the connection may be gone.
func (c *rawHTTP2) say(stream uint32, end bool, fields ...string) {
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.block(fields...), EndStream: end, EndHeaders: true})
}

func hostileConfig(o *hostileHTTP2) *entity.Config {
	c := config("http://"+o.address, entity.Route{Paths: []string{"/"}})
	c.Services[0].Protocol, c.Services[0].Retries = "grpc", 5
	c.Services[0].ReadTimeout = 500
	return c
}

// answerWith makes an answer of a header and a body.
func answerWith(body string, fields ...string) func(c *rawHTTP2, id uint32) {
	return func(c *rawHTTP2, id uint32) {
		c.say(id, body == "", append([]string{":status"}, fields...)...)
		if body != "" {
			_ = c.WriteData(id, true, []byte(body))
		}
	}
}

const another = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"

// TestHostileHTTP2Upstreams: what an upstream sends over HTTP/2 is the answer to
// its own request, or none, and only what has not been answered is asked for again.
func TestHostileHTTP2Upstreams(t *testing.T) {
	for _, h := range []struct {
		name   string
		bad    func(c *rawHTTP2, id uint32)
		want   string // status and body, "cut" behind it where the body breaks off
		asked  int64  // by GET
		posted int64  // by POST
	}{
		{"a status of two digits", answerWith("", "99"), "502", 1, 1},
		{"a status of four digits", answerWith("", "1000"), "502", 1, 1},
		{"a negative status", answerWith("", "-200"), "502", 1, 1},
		{"no status", func(c *rawHTTP2, id uint32) { c.say(id, true, "a", "b") }, "502", 1, 1},
		{"101 and a body", answerWith("x", "101"), "502", 1, 1},
		{"103 that ends the answer", answerWith("", "103"), "502", 1, 1},
		{"a body before the header", func(c *rawHTTP2, id uint32) { _ = c.WriteData(id, true, []byte(another)) }, "502", 1, 1},
		{"204 with a body", answerWith(another, "204", "content-length", "42"), "204", 1, 1},
		{"304 with a body", answerWith(another, "304"), "304", 1, 1},
		{"more than the length", answerWith(another, "200", "content-length", "3"), "200 HTT", 1, 1},
		{"less than the length", answerWith("abc", "200", "content-length", "50"), "200 abc cut", 1, 1},
		{"a length alone", answerWith("", "200", "content-length", "50"), "200 cut", 1, 1},
		{"two lengths", answerWith("abc", "200", "content-length", "3", "content-length", "50"), "200 abc", 1, 1},
		{"framing", answerWith("0\r\n\r\n"+another, "200", "transfer-encoding", "chunked", "connection", "x"), "200 0\r\n\r\n" + another, 1, 1},
		{"a line end in a value", answerWith("", "200", "x-a", "1\r\n\r\n"+another), "502", 1, 1},
		{"a line end in a name", answerWith("", "200", "x-a: b\r\nx", "1"), "502", 1, 1},
		{"a line end in a trailer", func(c *rawHTTP2, id uint32) {
			c.say(id, false, ":status", "200")
			c.say(id, true, "x-ok", "1\r\n\r\n"+another)
		}, "200 cut", 1, 1},
		{"trailers that frame and identify", func(c *rawHTTP2, id uint32) {
			c.say(id, false, ":status", "200")
			_ = c.WriteData(id, false, []byte("abc"))
			c.say(id, true, "x-consumer-id", "1", "content-length", "9", "set-cookie", "a=b", "x-ok", "1", "via", "1.1 x")
		}, "200 abc X-Ok", 1, 1},
		{"an answer on another stream", func(c *rawHTTP2, id uint32) { answerWith("bad", "200")(c, id+1) }, "504", 1, 1},
		{"an answer twice", func(c *rawHTTP2, id uint32) {
			answerWith("abc", "200", "content-length", "3")(c, id)
			answerWith("bad", "200", "content-length", "3")(c, id)
		}, "200 abc", 1, 1},
		{"interim answers without end", func(c *rawHTTP2, id uint32) {
			for range 1000 {
				c.say(id, false, ":status", "103", "link", "</"+strings.Repeat("a", 200)+">")
			}
			c.say(id, true, ":status", "200")
		}, "502", 1, 1},
		{"a reset", func(c *rawHTTP2, id uint32) { _ = c.WriteRSTStream(id, http2.ErrCodeCancel) }, "502", 6, 1},
		{"GOAWAY with an error", func(c *rawHTTP2, _ uint32) { _ = c.WriteGoAway(0, http2.ErrCodeInternal, nil); c.Close() }, "502", 6, 1},
		{"GOAWAY behind it", func(c *rawHTTP2, id uint32) { _ = c.WriteGoAway(id, http2.ErrCodeNo, nil); c.Close() }, "502", 6, 1},
		{"the end", func(c *rawHTTP2, _ uint32) { c.Close() }, "502", 6, 1},
		{"bytes that are no frame", func(c *rawHTTP2, _ uint32) { _, _ = io.WriteString(c.Conn, another) }, "502", 6, 1},
	} {
		for method, times := range map[string]int64{"GET": h.asked, "POST": h.posted} {
			t.Run(h.name+" "+method, func(t *testing.T) {
				o := startHostileHTTP2(t, h.bad)
				g := startServer(t, Config{}, limits(nil), 4)
				g.apply(t, hostileConfig(o))
				if got := askHostile(t, g, method); got != h.want || o.asked.Load() != times {
					t.Errorf("answered %q after %d requests, want %q after %d", got, o.asked.Load(), h.want, times)
				}
			})
		}
	}
}

// askHostile asks for /bad and then, where the connection stays, for another path,
// whose answer must be its own.
func askHostile(t *testing.T, g *gateway, method string) string {
	c := g.dial(t)
	defer c.Close()
	send(t, c, method+" /bad HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	got := strconv.Itoa(res.StatusCode)
	body, err := io.ReadAll(res.Body)
	if len(body) > 0 && res.StatusCode < 500 {
		got += " " + string(body)
	}
	for name := range res.Trailer {
		got += " " + name
	}
	if err != nil {
		return got + " cut"
	}
	send(t, c, "GET /good HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, err = http.ReadResponse(br, nil); err != nil {
		return got // the connection has ended
	}
	if next, err := io.ReadAll(res.Body); res.StatusCode < 500 && (err != nil || string(next) != "good") {
		t.Errorf("the next request is answered with %d %q, %v", res.StatusCode, next, err)
	}
	return got
}

// TestAClientThatTakesNothingOfACallHoldsLittle: an upstream of HTTP/2 sends no
// more ahead than a window.
func TestAClientThatTakesNothingOfACallHoldsLittle(t *testing.T) {
	var sent atomic.Int64
	origin := h2cServer(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			n, err := w.Write(make([]byte, 16<<10))
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
	})
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	c.Services[0].Protocol = "grpc"
	g := startServer(t, Config{}, limits(nil), 4)
	g.apply(t, c)
	client := dialHTTP2(t, "http://"+g.listen(t, Protocols{HTTP2: true}))
	client.ask(1, true, ":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/")
	if got := client.next(); got != "200" {
		t.Fatal(got)
	}
	var before int64 = -1
	await(t, "the upstream stops", func() bool {
		time.Sleep(200 * time.Millisecond)
		stopped := sent.Load() == before
		before = sent.Load()
		return stopped
	})
	if before > 1<<20 {
		t.Errorf("%d bytes wait for a client that takes none", before)
	}
	client.Close()
	await(t, "the request ends", func() bool { return g.busy.Load() == 0 })
}
