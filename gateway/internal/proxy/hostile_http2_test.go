package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatelab/gateway/internal/entity"
)

// hostileHTTP2 is an upstream that answers requests for /bad with whatever frames a test likes, and others well.
type hostileHTTP2 struct {
	address string
	asked   atomic.Int64 // for /bad
	conns   atomic.Int64
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
			o.conns.Add(1)
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
	c.Services[0].ReadTimeout = 2000
	return c
}

var hostile = []struct {
	name string
	bad  func(c *rawHTTP2, id uint32)
}{
	{"status 99", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "99") }},
	{"status 1000", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "1000") }},
	{"status 0", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "0") }},
	{"status 000200", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "000200") }},
	{"status +200", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "+200") }},
	{"status -200", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "-200") }},
	{"status 99999", func(c *rawHTTP2, id uint32) { c.say(id, false, ":status", "99999"); _ = c.WriteData(id, true, []byte("x")) }},
	{"no status", func(c *rawHTTP2, id uint32) { c.say(id, true, "a", "b") }},
	{"status 101", func(c *rawHTTP2, id uint32) { c.say(id, false, ":status", "101"); _ = c.WriteData(id, true, []byte("x")) }},
	{"status 101 end", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "101") }},
	{"status 103 end", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "103") }},
	{"data first", func(c *rawHTTP2, id uint32) {
		_ = c.WriteData(id, false, []byte("HTTP/1.1 200 OK\r\n\r\n"))
		c.say(id, true, ":status", "200")
	}},
	{"204 with data", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "204")
		_ = c.WriteData(id, true, []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"))
	}},
	{"204 with a length", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "204", "content-length", "42")
		_ = c.WriteData(id, true, []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"))
	}},
	{"304 with data", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "304")
		_ = c.WriteData(id, true, []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"))
	}},
	{"304 with a length", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "304", "content-length", "42")
		_ = c.WriteData(id, true, []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"))
	}},
	{"more than the length", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "content-length", "3")
		_ = c.WriteData(id, true, []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"))
	}},
	{"less than the length", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "content-length", "50")
		_ = c.WriteData(id, true, []byte("abc"))
	}},
	{"a length alone", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "200", "content-length", "50") }},
	{"two lengths", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "content-length", "3", "content-length", "50")
		_ = c.WriteData(id, true, []byte("abc"))
	}},
	{"length +3", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "content-length", "+3")
		_ = c.WriteData(id, true, []byte("abc"))
	}},
	{"length -3", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "content-length", "-3")
		_ = c.WriteData(id, true, []byte("abc"))
	}},
	{"framing fields", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "transfer-encoding", "chunked", "connection", "x-a", "keep-alive", "1", "upgrade", "x", "x-a", "1")
		_ = c.WriteData(id, true, []byte("0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"))
	}},
	{"trailers", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "trailer", "x-consumer-id, content-length, transfer-encoding, set-cookie, x-ok")
		_ = c.WriteData(id, false, []byte("abc"))
		c.say(id, true, "x-consumer-id", "1", "content-length", "90", "transfer-encoding", "chunked", "set-cookie", "a=b", "x-ok", "1", "x-kong-a", "2",
			"connection", "close", "via", "1.1 x")
	}},
	{"trailers with a pseudo field", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200")
		_ = c.WriteData(id, false, []byte("abc"))
		c.say(id, true, ":status", "500", "x-ok", "1")
	}},
	{"trailers that do not end", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200")
		_ = c.WriteData(id, false, []byte("abc"))
		c.say(id, false, "x-ok", "1")
		_ = c.WriteData(id, true, []byte("def"))
	}},
	{"line ends in values", func(c *rawHTTP2, id uint32) {
		c.say(id, true, ":status", "200", "x-a", "1\r\nContent-Length: 5\r\n\r\nhello")
	}},
	{"a return in a value", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "200", "x-a", "1\rSet-Cookie: a") }},
	{"a NUL in a value", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "200", "x-a", "1\x00") }},
	{"a line end in a name", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "200", "x-a: b\r\nx", "1") }},
	{"upper case", func(c *rawHTTP2, id uint32) { c.say(id, true, ":status", "200", "Content-Length", "5") }},
	{"a line end in a trailer", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200")
		_ = c.WriteData(id, false, []byte("abc"))
		c.say(id, true, "x-ok", "1\r\n\r\nHTTP/1.1 200 OK")
	}},
	{"a Trailer that names none", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "trailer", "a: b, c d, :x, \x01, (")
		_ = c.WriteData(id, true, []byte("abc"))
	}},
	{"a push", func(c *rawHTTP2, id uint32) {
		_ = c.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, BlockFragment: c.block(":method", "GET", ":path", "/"), EndHeaders: true})
		c.say(2, false, ":status", "200")
		_ = c.WriteData(2, true, []byte("pushed"))
		c.say(id, true, ":status", "200")
	}},
	{"an idle stream", func(c *rawHTTP2, id uint32) { c.say(id+2, false, ":status", "200"); _ = c.WriteData(id+2, true, []byte("bad")) }},
	{"an even stream", func(c *rawHTTP2, id uint32) { c.say(2, false, ":status", "200"); _ = c.WriteData(2, true, []byte("bad")) }},
	{"stream 0", func(c *rawHTTP2, id uint32) { _ = c.WriteData(0, true, []byte("bad")) }},
	{"twice", func(c *rawHTTP2, id uint32) {
		for range 2 {
			c.say(id, false, ":status", "200", "content-length", "3")
			_ = c.WriteData(id, true, []byte("abc"))
		}
	}},
	{"a reset in the body", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "content-length", "3")
		_ = c.WriteData(id, false, []byte("a"))
		_ = c.WriteRSTStream(id, http2.ErrCodeNo)
	}},
	{"a reset NO_ERROR", func(c *rawHTTP2, id uint32) { _ = c.WriteRSTStream(id, http2.ErrCodeNo) }},
	{"a reset CANCEL", func(c *rawHTTP2, id uint32) { _ = c.WriteRSTStream(id, http2.ErrCodeCancel) }},
	{"a refusal", func(c *rawHTTP2, id uint32) { _ = c.WriteRSTStream(id, http2.ErrCodeRefusedStream) }},
	{"a refusal after 103", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "103")
		_ = c.WriteRSTStream(id, http2.ErrCodeRefusedStream)
	}},
	{"GOAWAY for it", func(c *rawHTTP2, id uint32) { _ = c.WriteGoAway(id, http2.ErrCodeNo, nil) }},
	{"GOAWAY for it, closed", func(c *rawHTTP2, id uint32) { _ = c.WriteGoAway(id, http2.ErrCodeNo, nil); c.Close() }},
	{"GOAWAY before it", func(c *rawHTTP2, id uint32) { _ = c.WriteGoAway(0, http2.ErrCodeNo, nil) }},
	{"GOAWAY error", func(c *rawHTTP2, id uint32) { _ = c.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte(strings.Repeat("x", 9000))) }},
	{"GOAWAY error, closed", func(c *rawHTTP2, id uint32) { _ = c.WriteGoAway(0, http2.ErrCodeInternal, nil); c.Close() }},
	{"closed", func(c *rawHTTP2, id uint32) { c.Close() }},
	{"1xx", func(c *rawHTTP2, id uint32) {
		for range 1000 {
			c.say(id, false, ":status", "103", "link", "</a>")
		}
		c.say(id, true, ":status", "200")
	}},
	{"CONTINUATION", func(c *rawHTTP2, id uint32) {
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(":status", "200")})
		for range 20000 {
			if c.WriteContinuation(id, false, nil) != nil {
				return
			}
		}
	}},
	{"a large header", func(c *rawHTTP2, id uint32) {
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(":status", "200")})
		b := c.block("x-a", strings.Repeat("aZ", 4000))
		for range 2000 {
			if c.WriteContinuation(id, false, b) != nil {
				return
			}
		}
		_ = c.WriteContinuation(id, true, nil)
	}},
	{"large trailers", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200")
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block("x-ok", "1"), EndStream: true})
		b := c.block("x-a", strings.Repeat("aZ", 4000))
		for range 200 {
			if c.WriteContinuation(id, false, b) != nil {
				return
			}
		}
		_ = c.WriteContinuation(id, true, nil)
	}},
	{"a window of 2^31", func(c *rawHTTP2, id uint32) {
		_ = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		c.say(id, true, ":status", "200")
	}},
	{"no streams", func(c *rawHTTP2, id uint32) {
		_ = c.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		c.say(id, true, ":status", "200")
	}},
	{"frames of 0", func(c *rawHTTP2, id uint32) {
		_ = c.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 0})
		c.say(id, true, ":status", "200")
	}},
	{"too much padding", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200")
		_ = c.WriteRawFrame(http2.FrameData, http2.FlagDataPadded|http2.FlagDataEndStream, id, []byte("\xffabc"))
	}},
	{"padding", func(c *rawHTTP2, id uint32) {
		c.say(id, false, ":status", "200", "content-length", "3")
		_ = c.WriteDataPadded(id, true, []byte("abc"), make([]byte, 200))
	}},
	{"a window update of 0", func(c *rawHTTP2, id uint32) {
		_ = c.WriteWindowUpdate(0, 0)
		c.say(id, true, ":status", "200")
	}},
	{"bytes that are no frame", func(c *rawHTTP2, id uint32) { _, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")) }},
	{"PINGs", func(c *rawHTTP2, id uint32) {
		for range 20000 {
			if c.WritePing(false, [8]byte{}) != nil {
				return
			}
		}
		c.say(id, true, ":status", "200")
	}},
	{"silence", func(c *rawHTTP2, id uint32) {}},
	{"a body that never ends", func(c *rawHTTP2, id uint32) { c.say(id, false, ":status", "200"); _ = c.WriteData(id, false, []byte("abc")) }},
}

func TestExploreHostile(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				o := startHostileHTTP2(t, h.bad)
				g := startServer(t, Config{}, limits(nil), 4)
				g.apply(t, hostileConfig(o))
				c := g.dial(t)
				body := ""
				if method == "POST" {
					body = "hello"
				}
				send(t, c, fmt.Sprintf("%s /bad HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body))
				_ = c.SetReadDeadline(time.Now().Add(3500 * time.Millisecond))
				br := bufio.NewReader(c)
				res, err := http.ReadResponse(br, &http.Request{Method: method})
				if err != nil {
					t.Logf("%s: ERR %v asked %d", method, err, o.asked.Load())
					continue
				}
				b, rerr := io.ReadAll(res.Body)
				line := fmt.Sprintf("%s: %s CL%d %q %v trailer %v asked %d", method, res.Status, res.ContentLength, b[:min(40, len(b))], rerr, res.Trailer, o.asked.Load())
				if rerr == nil && !res.Close {
					send(t, c, "GET /good HTTP/1.1\r\nHost: x\r\n\r\n")
					res2, err := http.ReadResponse(br, nil)
					if err != nil {
						line += fmt.Sprint(" NEXT ", err)
					} else {
						b2, _ := io.ReadAll(res2.Body)
						line += fmt.Sprintf(" NEXT %d %q", res2.StatusCode, b2)
					}
				}
				t.Log(line)
				// the same over HTTP/2
				hc := dialHTTP2(t, "http://"+g.listen(t, Protocols{HTTP2: true}))
				_ = hc.SetReadDeadline(time.Now().Add(3500 * time.Millisecond))
				hc.ask(1, method != "POST", ":method", method, ":scheme", "http", ":authority", "x", ":path", "/bad")
				if method == "POST" {
					hc.must(hc.WriteData(1, true, []byte("hello")))
				}
				line = ""
				for {
					f, err := hc.ReadFrame()
					if err != nil {
						line += " E:" + err.Error()
						break
					}
					end := false
					switch f := f.(type) {
					case *http2.MetaHeadersFrame:
						line += " H" + f.PseudoValue("status")
						end = f.StreamEnded()
						if f.PseudoValue("status") == "" {
							line += fmt.Sprint(f.Fields)
						}
					case *http2.DataFrame:
						line += fmt.Sprintf(" D%.30q", f.Data())
						end = f.StreamEnded()
					case *http2.RSTStreamFrame:
						line += " R" + f.ErrCode.String()
						end = true
					case *http2.GoAwayFrame:
						line += " G" + f.ErrCode.String()
					}
					if end {
						break
					}
				}
				t.Log("   h2:", line, "asked", o.asked.Load())
			}
		})
	}
}
