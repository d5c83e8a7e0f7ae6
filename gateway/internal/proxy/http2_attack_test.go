package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// rawHTTP2 is a client that sends frames as it likes.
type rawHTTP2 struct {
	t *testing.T
	net.Conn
	*http2.Framer
	head bytes.Buffer
	enc  *hpack.Encoder
}

// dialHTTP2 connects over TLS or, for an address without https, without.
func dialHTTP2(t *testing.T, url string) *rawHTTP2 {
	t.Helper()
	scheme, address, _ := strings.Cut(url, "://")
	c := &rawHTTP2{t: t}
	if scheme == "https" {
		c.Conn = dialTLS(t, address, func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	} else {
		c.Conn = dialTCP(t, address)
	}
	c.Framer = http2.NewFramer(c.Conn, c.Conn)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.AllowIllegalWrites = true
	c.enc = hpack.NewEncoder(&c.head)
	send(t, c.Conn, http2.ClientPreface)
	c.must(c.WriteSettings())
	return c
}

func (c *rawHTTP2) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// fields are pairs of names and values.
func (c *rawHTTP2) block(fields ...string) []byte {
	c.head.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		c.must(c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	return bytes.Clone(c.head.Bytes())
}

var getFields = []string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/"}

// ask sends a header.
func (c *rawHTTP2) ask(stream uint32, end bool, fields ...string) {
	c.t.Helper()
	c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.block(fields...), EndStream: end, EndHeaders: true}))
}

// next reads to the next frame that says how a request or the connection fares:
// the status of an answer, "reset CODE", "goaway CODE", or "closed".
func (c *rawHTTP2) next() string {
	for {
		f, err := c.ReadFrame()
		if isTimeout(err) {
			c.t.Fatal("nothing comes")
		}
		if err != nil {
			return "closed"
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset " + f.ErrCode.String()
		case *http2.GoAwayFrame:
			return "goaway " + f.ErrCode.String()
		}
	}
}

func TestHTTP2RequestsThatAreNone(t *testing.T) {
	var asked atomic.Int64
	g, url := startHTTP2(t, Config{}, true, func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
	}, nil)
	with := func(more ...string) []string { return append(append([]string{}, getFields...), more...) }
	path := func(p string) []string {
		return []string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", p}
	}
	host := func(h string) []string {
		return []string{":method", "GET", ":scheme", "https", ":authority", h, ":path", "/"}
	}
	for _, c := range []struct {
		name   string
		fields []string
		data   string // empty: the header ends the stream
		want   []string
	}{
		{name: "nothing wrong", fields: getFields, want: []string{"200"}},
		{name: "Transfer-Encoding", fields: with("transfer-encoding", "chunked"), want: []string{"400"}},
		{name: "Connection", fields: with("connection", "close"), want: []string{"400"}},
		{name: "Keep-Alive", fields: with("keep-alive", "1"), want: []string{"400"}},
		{name: "Upgrade", fields: with("upgrade", "websocket"), want: []string{"400"}},
		{name: "TE other than trailers", fields: with("te", "gzip"), want: []string{"400"}},
		{name: "TE trailers", fields: with("te", "trailers"), want: []string{"200"}},
		{name: "another Host", fields: with("host", "other"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "the same Host", fields: with("host", "x"), want: []string{"200"}},
		{name: "two Hosts", fields: with("host", "x", "host", "x"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "userinfo", fields: host("user@x"), want: []string{"reset PROTOCOL_ERROR", "400"}},
		{name: "a host with a space", fields: host("x y"), want: []string{"reset PROTOCOL_ERROR", "400"}},
		{name: "no host", fields: []string{":method", "GET", ":scheme", "https", ":path", "/"}, want: []string{"400"}},
		{name: "a path with a space", fields: path("/a HTTP/1.1"), want: []string{"400", "reset PROTOCOL_ERROR"}},
		{name: "a path with a line end", fields: path("/a\r\nX-Consumer-ID: 1"), want: []string{"400", "reset PROTOCOL_ERROR"}},
		{name: "a path without a slash", fields: path("a"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "an absolute path", fields: path("https://other/"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "an empty path", fields: path(""), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "a pseudo field behind others", fields: with("a", "b", ":path", "/b"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "a pseudo field twice", fields: with(":path", "/b"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "an unknown pseudo field", fields: with(":length", "5"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "an extended CONNECT", fields: []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
			":authority", "x", ":path", "/"}, want: []string{"reset PROTOCOL_ERROR"}},
		{name: "CONNECT", fields: []string{":method", "CONNECT", ":authority", "x:443"}, want: []string{"405", "reset PROTOCOL_ERROR"}},
		{name: "TRACE", fields: []string{":method", "TRACE", ":scheme", "https", ":authority", "x", ":path", "/"}, want: []string{"405"}},
		{name: "a method in lower case", want: []string{"400"},
			fields: []string{":method", "get", ":scheme", "https", ":authority", "x", ":path", "/"}},
		{name: "a method with a line end", fields: []string{":method", "GET / HTTP/1.1\r\n", ":scheme", "https", ":authority", "x", ":path", "/"},
			want: []string{"400", "reset PROTOCOL_ERROR"}},
		{name: "a name in upper case", fields: with("X-Consumer-ID", "1"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "a name with a line end", fields: with("a\r\nb", "1"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "a value with a line end", fields: with("a", "b\r\nx-consumer-id: 1"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "a value with NUL", fields: with("a", "b\x00"), want: []string{"reset PROTOCOL_ERROR"}},
		{name: "Content-Length without a body", fields: with("content-length", "5"), want: []string{"400", "reset PROTOCOL_ERROR"}},
		{name: "a shorter body", fields: with("content-length", "5"), data: "abc", want: []string{"400", "reset PROTOCOL_ERROR"}},
		{name: "a longer body", fields: with("content-length", "2"), data: "abc", want: []string{"reset PROTOCOL_ERROR", "400"}},
		{name: "two lengths", fields: with("content-length", "3", "content-length", "4"), data: "abc",
			want: []string{"400", "reset PROTOCOL_ERROR"}},
		{name: "no number", fields: with("content-length", "+3"), data: "abc", want: []string{"400", "reset PROTOCOL_ERROR"}},
		{name: "a header that is too long", fields: with("a", strings.Repeat("b", 9000), "b", strings.Repeat("b", 9000)), want: []string{"431"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := asked.Load()
			client := dialHTTP2(t, url)
			client.ask(1, c.data == "", c.fields...)
			if c.data != "" {
				client.must(client.WriteData(1, true, []byte(c.data)))
			}
			got := client.next()
			ok := false
			for _, w := range c.want {
				ok = ok || got == w
			}
			if !ok {
				t.Errorf("got %s, want %v", got, c.want)
			}
			if passed := asked.Load() > before; passed && got != "200" && c.data == "" {
				t.Error("the upstream was asked")
			}
			client.ask(3, true, getFields...)
			for got = client.next(); strings.HasPrefix(got, "reset"); got = client.next() {
			}
			if got != "200" {
				t.Errorf("the next request of the connection: %s", got)
			}
			client.Close()
		})
	}
	await(t, "all are gone", func() bool { return g.server.http2.open() == 0 && g.busy.Load() == 0 })
}

func TestHTTP2Floods(t *testing.T) {
	for _, c := range []struct {
		name, abuse string
		flood       func(c *rawHTTP2) error
	}{
		{name: "rapid reset", abuse: abuseResets, flood: func(c *rawHTTP2) error {
			for id := uint32(1); id < 4000; id += 2 {
				block := c.block(getFields...)
				if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true}); err != nil {
					return err
				}
				if err := c.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "empty continuations", abuse: abuseContinuation, flood: func(c *rawHTTP2) error {
			block := c.block(getFields...)
			err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block})
			for i := 0; i < 10_000 && err == nil; i++ {
				err = c.WriteContinuation(1, false, nil)
			}
			return err
		}},
		{name: "long continuations", flood: func(c *rawHTTP2) error {
			err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.block(getFields...)})
			for i := 0; i < 60 && err == nil; i++ {
				err = c.WriteContinuation(1, false, c.block("a", strings.Repeat("b", 16000)))
			}
			return err
		}},
		{name: "settings", abuse: abuseControl, flood: func(c *rawHTTP2) error {
			var err error
			for i := 0; i < 40_000 && err == nil; i++ {
				err = c.WriteSettings()
			}
			return err
		}},
		{name: "pings", abuse: abuseControl, flood: func(c *rawHTTP2) error {
			var err error
			for i := 0; i < 40_000 && err == nil; i++ {
				err = c.WritePing(false, [8]byte{})
			}
			return err
		}},
		{name: "empty data", abuse: abuseEmpty, flood: func(c *rawHTTP2) error {
			err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true,
				BlockFragment: c.block(":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/")})
			for i := 0; i < 10_000 && err == nil; i++ {
				err = c.WriteData(1, false, nil)
			}
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, url := startHTTP2(t, Config{}, true, readAll, nil)
			client := dialHTTP2(t, url)
			verdict := make(chan string, 1)
			go func() { // or the flood waits for what it does not read
				for {
					if got := client.next(); !strings.HasPrefix(got, "reset") && got != "200" && got != "499" {
						verdict <- got
						return
					}
				}
			}()
			if err := c.flood(client); err != nil && isTimeout(err) {
				t.Fatal(err)
			}
			select {
			case got := <-verdict:
				if !strings.HasPrefix(got, "goaway") && got != "closed" {
					t.Errorf("got %s", got)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the flood goes on")
			}
			if c.abuse != "" {
				count(t, g.server.http2.metrics.abuses.WithLabelValues(c.abuse), 1)
			}
			client.Close()
			await(t, "gone", func() bool { return g.server.http2.open() == 0 && g.busy.Load() == 0 })
		})
	}
}

// TestHTTP2ResetsByTheServer: a client takes back requests that upstreams work on,
// and sends no RST_STREAM. What it does for a stream has the server reset it.
func TestHTTP2ResetsByTheServer(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(c *rawHTTP2, id uint32) error
	}{
		{"a window of 0", func(c *rawHTTP2, id uint32) error { return c.WriteWindowUpdate(id, 0) }},
		{"a window that is too large", func(c *rawHTTP2, id uint32) error { return c.WriteWindowUpdate(id, 1<<31-1) }},
		{"data behind the end", func(c *rawHTTP2, id uint32) error { return c.WriteData(id, false, []byte("x")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked, ended := make(chan struct{}, 1), make(chan string, 1)
			g, url := startHTTP2(t, Config{}, false, func(_ http.ResponseWriter, r *http.Request) {
				asked <- struct{}{}
				<-r.Context().Done()
			}, nil)
			client := dialHTTP2(t, url)
			go func() {
				for {
					if got := client.next(); !strings.HasPrefix(got, "reset") && got != "499" {
						ended <- got
						return
					}
				}
			}()
			id, got := uint32(1), ""
			for ; got == "" && id < 20*resetsAtOnce; id += 2 {
				block := client.block(getFields...)
				err := client.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true})
				if err != nil {
					break
				}
				select {
				case <-asked:
					_ = c.spoil(client, id) // the connection may be closed by now
				case got = <-ended:
				case <-time.After(20 * time.Second):
					t.Fatal("the upstream is not asked")
				}
			}
			if got == "" {
				got = <-ended
			}
			if got != "goaway ENHANCE_YOUR_CALM" && got != "closed" {
				t.Errorf("got %s after %d requests", got, id/2)
			}
			count(t, g.server.http2.metrics.abuses.WithLabelValues(abuseResets), 1)
			client.Close()
			await(t, "gone", func() bool { return g.server.http2.open() == 0 && g.busy.Load() == 0 })
		})
	}
}

func TestHTTP2ConcurrentStreams(t *testing.T) {
	release := make(chan struct{})
	var most, now atomic.Int64
	_, url := startHTTP2(t, Config{}, true, func(http.ResponseWriter, *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		now.Add(-1)
	}, func(c *ServerConfig) { c.HTTP2.MaxStreams = 3 })
	client := dialHTTP2(t, url)
	for id := uint32(1); id <= 9; id += 2 {
		client.ask(id, true, getFields...)
	}
	refused := 0
	for range 2 {
		if got := client.next(); got == "reset REFUSED_STREAM" || got == "reset PROTOCOL_ERROR" {
			refused++
		}
	}
	close(release)
	answered := 0
	for range 3 {
		if client.next() == "200" {
			answered++
		}
	}
	if refused != 2 || answered != 3 || most.Load() > 3 {
		t.Errorf("refused %d, answered %d, at most %d at a time", refused, answered, most.Load())
	}
}
