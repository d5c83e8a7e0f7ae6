package proxy

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// frame sends a frame as it is.
func (c *rawHTTP2) frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload ...byte) {
	c.t.Helper()
	c.must(c.WriteRawFrame(kind, flags, stream, payload))
}

// open begins a request whose body is to come.
func (c *rawHTTP2) open(stream uint32) {
	c.t.Helper()
	c.ask(stream, false, ":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/")
}

func setting(id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, id), value)
}

// TestHTTP2Frames: the cases of RFC 9113 (and of h2spec, which names them alike) that
// a client sees from the outside. Each ends with an error of the connection, of
// the stream, or with an answer; want has what is allowed. An error of the
// connection may always take the place of one of the stream (5.4.2).
func TestHTTP2Frames(t *testing.T) {
	const (
		data, headers        = 0, 1
		priority, reset      = 2, 3
		settings, push       = 4, 5
		ping, goaway         = 6, 7
		window, continuation = 8, 9

		endStream, ack     = 1, 1
		endHeaders, padded = 4, 8
		prioritize         = 32
	)
	connection := func(code string) []string { return []string{"goaway " + code, "closed"} }
	stream := func(code string) []string { return []string{"reset " + code, "goaway " + code, "closed"} }
	protocol, size := connection("PROTOCOL_ERROR"), connection("FRAME_SIZE_ERROR")
	flow := connection("FLOW_CONTROL_ERROR")
	answered := []string{"200"}
	for _, c := range []struct {
		name string // with the section
		send func(c *rawHTTP2)
		want []string
	}{
		{"4.1: an unknown frame is ignored", func(c *rawHTTP2) {
			c.frame(0x16, 0, 0, 1, 2, 3)
			c.ask(1, true, getFields...)
		}, answered},
		{"4.1: unknown flags are ignored", func(c *rawHTTP2) {
			c.frame(ping, 0x16, 0, 1, 2, 3, 4, 5, 6, 7, 8)
			c.ask(1, true, getFields...)
		}, answered},
		{"4.2: a frame longer than SETTINGS_MAX_FRAME_SIZE", func(c *rawHTTP2) {
			c.open(1)
			c.frame(data, 0, 1, make([]byte, 1<<20+1)...)
		},
			append(size, "reset FRAME_SIZE_ERROR")},
		{"4.3: a field block that cannot be decoded", func(c *rawHTTP2) {
			c.frame(headers, endHeaders|endStream, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
		},
			connection("COMPRESSION_ERROR")},
		{"4.3: an index beyond the table", func(c *rawHTTP2) {
			c.frame(headers, endHeaders|endStream, 1, 0xc5)
		}, connection("COMPRESSION_ERROR")},
		{"4.3: another frame within a field block", func(c *rawHTTP2) {
			c.frame(headers, endStream, 1, c.block(getFields...)...)
			c.frame(ping, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8)
		}, protocol},
		{"4.3: another stream's field block within one", func(c *rawHTTP2) {
			c.frame(headers, endStream, 1, c.block(getFields...)...)
			c.frame(headers, endHeaders|endStream, 3, c.block(getFields...)...)
		}, protocol},
		{"5.1: DATA on an idle stream", func(c *rawHTTP2) { c.frame(data, endStream, 1, 'a') }, protocol},
		{"5.1: RST_STREAM on an idle stream", func(c *rawHTTP2) { c.frame(reset, 0, 1, 0, 0, 0, 8) }, protocol},
		{"5.1: WINDOW_UPDATE on an idle stream", func(c *rawHTTP2) { c.frame(window, 0, 1, 0, 0, 0, 1) }, protocol},
		{"5.1: CONTINUATION on an idle stream", func(c *rawHTTP2) {
			c.frame(continuation, endHeaders, 1, c.block(getFields...)...)
		}, protocol},
		{"5.1: DATA on a half-closed stream", func(c *rawHTTP2) {
			c.ask(1, true, ":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/wait")
			c.frame(data, endStream, 1, 'a')
		},
			stream("STREAM_CLOSED")},
		{"5.1: HEADERS on a half-closed stream", func(c *rawHTTP2) {
			c.ask(1, true, ":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/wait")
			c.ask(1, true, getFields...)
		}, append(stream("STREAM_CLOSED"), "goaway PROTOCOL_ERROR")},
		{"5.1: DATA after RST_STREAM", func(c *rawHTTP2) {
			c.open(1)
			c.frame(reset, 0, 1, 0, 0, 0, 8)
			c.frame(data, endStream, 1, 'a')
		},
			stream("STREAM_CLOSED")},
		{"5.1: PRIORITY on an idle stream", func(c *rawHTTP2) {
			c.frame(priority, 0, 7, 0, 0, 0, 0, 1)
			c.ask(9, true, getFields...)
		}, answered},
		{"5.1.1: an even stream", func(c *rawHTTP2) { c.ask(2, true, getFields...) }, protocol},
		{"5.1.1: a stream with a smaller number", func(c *rawHTTP2) {
			c.open(5)
			c.ask(3, true, getFields...)
		}, protocol},
		{"5.3.1: a stream that depends on itself (PRIORITY)", func(c *rawHTTP2) {
			c.frame(priority, 0, 3, 0, 0, 0, 3, 1)
			c.ask(5, true, getFields...)
		},
			append(stream("PROTOCOL_ERROR"), "200")},
		{"6.1: DATA on stream 0", func(c *rawHTTP2) { c.frame(data, 0, 0, 'a') }, protocol},
		{"6.1: padding longer than the payload", func(c *rawHTTP2) {
			c.open(1)
			c.frame(data, padded|endStream, 1, 9, 'a')
		}, protocol},
		{"6.2: HEADERS on stream 0", func(c *rawHTTP2) {
			c.frame(headers, endHeaders|endStream, 0, c.block(getFields...)...)
		}, protocol},
		{"6.2: padding longer than the payload of HEADERS", func(c *rawHTTP2) {
			c.frame(headers, padded|endHeaders|endStream, 1, append([]byte{200}, c.block(getFields...)...)...)
		}, protocol},
		{"6.2: padding and priority", func(c *rawHTTP2) {
			payload := append([]byte{2, 0, 0, 0, 0, 15}, c.block(getFields...)...)
			c.frame(headers, padded|prioritize|endHeaders|endStream, 1, append(payload, 0, 0)...)
		}, answered},
		{"6.3: PRIORITY on stream 0", func(c *rawHTTP2) { c.frame(priority, 0, 0, 0, 0, 0, 1, 1) }, protocol},
		{"6.3: PRIORITY of another length", func(c *rawHTTP2) {
			c.open(1)
			c.frame(priority, 0, 1, 0, 0, 0, 1)
		}, stream("FRAME_SIZE_ERROR")},
		{"6.4: RST_STREAM on stream 0", func(c *rawHTTP2) { c.frame(reset, 0, 0, 0, 0, 0, 8) }, protocol},
		{"6.4: RST_STREAM of another length", func(c *rawHTTP2) { c.open(1); c.frame(reset, 0, 1, 0, 0, 8) }, size},
		{"6.5: an acknowledgement with a payload", func(c *rawHTTP2) {
			c.frame(settings, ack, 0, setting(3, 1)...)
		}, size},
		{"6.5: SETTINGS on a stream", func(c *rawHTTP2) { c.frame(settings, 0, 1, setting(3, 1)...) }, protocol},
		{"6.5: SETTINGS of another length", func(c *rawHTTP2) { c.frame(settings, 0, 0, 1, 2, 3) }, size},
		{"6.5.2: ENABLE_PUSH that is neither 0 nor 1", func(c *rawHTTP2) {
			c.frame(settings, 0, 0, setting(2, 2)...)
		}, protocol},
		{"6.5.2: INITIAL_WINDOW_SIZE above 2^31-1", func(c *rawHTTP2) {
			c.frame(settings, 0, 0, setting(4, 1<<31)...)
		}, flow},
		{"6.5.2: MAX_FRAME_SIZE below 2^14", func(c *rawHTTP2) {
			c.frame(settings, 0, 0, setting(5, 1<<14-1)...)
		}, protocol},
		{"6.5.2: MAX_FRAME_SIZE above 2^24-1", func(c *rawHTTP2) {
			c.frame(settings, 0, 0, setting(5, 1<<24)...)
		}, protocol},
		{"6.5.2: an unknown setting is ignored", func(c *rawHTTP2) {
			c.frame(settings, 0, 0, setting(0xff, 1)...)
			c.ask(1, true, getFields...)
		}, answered},
		{"6.6: PUSH_PROMISE of a client", func(c *rawHTTP2) {
			c.open(1)
			c.frame(push, endHeaders, 1, append([]byte{0, 0, 0, 2}, c.block(getFields...)...)...)
		}, protocol},
		{"6.7: PING on a stream", func(c *rawHTTP2) { c.frame(ping, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8) }, protocol},
		{"6.7: PING of another length", func(c *rawHTTP2) { c.frame(ping, 0, 0, 1, 2, 3) }, size},
		{"6.7: an unsolicited acknowledgement is ignored", func(c *rawHTTP2) {
			c.frame(ping, ack, 0, 1, 2, 3, 4, 5, 6, 7, 8)
			c.ask(1, true, getFields...)
		}, answered},
		{"6.8: GOAWAY on a stream", func(c *rawHTTP2) { c.frame(goaway, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0) }, protocol},
		{"6.9: WINDOW_UPDATE of 0 on the connection", func(c *rawHTTP2) {
			c.frame(window, 0, 0, 0, 0, 0, 0)
		}, protocol},
		{"6.9: WINDOW_UPDATE of 0 on a stream", func(c *rawHTTP2) {
			c.open(1)
			c.frame(window, 0, 1, 0, 0, 0, 0)
		}, stream("PROTOCOL_ERROR")},
		{"6.9: WINDOW_UPDATE of another length", func(c *rawHTTP2) { c.frame(window, 0, 0, 0, 0, 1) }, size},
		{"6.9.1: a window of the connection above 2^31-1", func(c *rawHTTP2) {
			c.frame(window, 0, 0, 0x7f, 0xff, 0xff, 0xff)
			c.frame(window, 0, 0, 0x7f, 0xff, 0xff, 0xff)
		}, flow},
		{"6.9.1: a window of a stream above 2^31-1", func(c *rawHTTP2) {
			c.open(1)
			c.frame(window, 0, 1, 0x7f, 0xff, 0xff, 0xff)
			c.frame(window, 0, 1, 0x7f, 0xff, 0xff, 0xff)
		}, stream("FLOW_CONTROL_ERROR")},
		{"6.10: CONTINUATION behind END_HEADERS", func(c *rawHTTP2) {
			c.open(1)
			c.frame(continuation, endHeaders, 1, c.block("a", "b")...)
		}, protocol},
		{"6.10: CONTINUATION on stream 0", func(c *rawHTTP2) {
			c.frame(headers, endStream, 1, c.block(getFields...)...)
			c.frame(continuation, endHeaders, 0, c.block("a", "b")...)
		}, protocol},
		{"6.10: several CONTINUATION frames", func(c *rawHTTP2) {
			c.frame(headers, endStream, 1, c.block(getFields...)...)
			c.frame(continuation, 0, 1, c.block("a", "b")...)
			c.frame(continuation, endHeaders, 1, c.block("c", "d")...)
		}, answered},
		{"8.1: trailers that do not end the stream", func(c *rawHTTP2) {
			c.open(1)
			c.frame(headers, endHeaders, 1, c.block("a", "b")...)
		}, stream("PROTOCOL_ERROR")},
		{"8.1: a pseudo field in the trailers", func(c *rawHTTP2) {
			c.open(1)
			c.frame(headers, endHeaders|endStream, 1, c.block(":method", "GET")...)
		},
			stream("PROTOCOL_ERROR")},
		{"8.1: trailers", func(c *rawHTTP2) {
			c.open(1)
			c.frame(headers, endHeaders|endStream, 1, c.block("a", "b")...)
		}, answered},
		{"8.3.1: no :method", func(c *rawHTTP2) {
			c.ask(1, true, ":scheme", "https", ":authority", "x", ":path", "/")
		}, stream("PROTOCOL_ERROR")},
		{"8.3.1: no :scheme", func(c *rawHTTP2) {
			c.ask(1, true, ":method", "GET", ":authority", "x", ":path", "/")
		}, stream("PROTOCOL_ERROR")},
		{"8.3.1: no :path", func(c *rawHTTP2) {
			c.ask(1, true, ":method", "GET", ":scheme", "https", ":authority", "x")
		}, stream("PROTOCOL_ERROR")},
		{"8.3: :status in a request", func(c *rawHTTP2) {
			c.ask(1, true, append([]string{":status", "200"}, getFields...)...)
		}, stream("PROTOCOL_ERROR")},
	} {
		t.Run(c.name, func(t *testing.T) {
			release := make(chan struct{})
			_, url := startHTTP2(t, Config{}, true, func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/wait" {
					select {
					case <-release:
					case <-r.Context().Done():
					}
				}
				_, _ = io.Copy(io.Discard, r.Body)
			}, nil)
			client := dialHTTP2(t, url)
			defer client.Close()
			c.send(client)
			got := client.next()
			close(release)
			ok := false
			for _, w := range c.want {
				ok = ok || got == w
			}
			if !ok {
				t.Errorf("got %s, want one of %s", got, strings.Join(c.want, ", "))
			}
		})
	}
}

func TestHTTP2WithoutThePreface(t *testing.T) {
	_, url := startHTTP2(t, Config{}, true, readAll, nil)
	address := strings.TrimPrefix(url, "https://")
	for _, words := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + strings.Repeat("x", 24), strings.Repeat("x", 24)} {
		conn := dialTLS(t, address, func(c *tls.Config) { c.NextProtos = []string{"h2"} })
		send(t, conn, words)
		if b, err := io.ReadAll(conn); strings.HasPrefix(string(b), "HTTP/1.1 2") {
			t.Errorf("answered %q, %v", b, err)
		}
		conn.Close()
	}
}
