package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// http2Client is a client that speaks HTTP/2 with a gateway, over TLS or not.
func http2Client(t *testing.T, secure bool) *http.Client {
	t.Helper()
	insecure := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the test's own
	tr := &http.Transport{TLSClientConfig: insecure, Protocols: &http.Protocols{}}
	tr.Protocols.SetHTTP2(secure)
	tr.Protocols.SetUnencryptedHTTP2(!secure)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// startHTTP2 is a gateway before an origin, with a listener for HTTP/2.
func startHTTP2(t *testing.T, c Config, secure bool, h http.HandlerFunc, change func(*ServerConfig)) (g *gateway, url string) {
	t.Helper()
	origin := server(t, h)
	c.AccessLog = LogAll
	g = startServer(t, c, limits(change), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	if secure {
		return g, "https://" + g.listen(t, Protocols{TLS: true, HTTP2: true})
	}
	return g, "http://" + g.listen(t, Protocols{HTTP2: true})
}

func onBoth(t *testing.T, f func(t *testing.T, secure bool)) {
	t.Run("TLS", func(t *testing.T) { f(t, true) })
	t.Run("cleartext", func(t *testing.T) { f(t, false) })
}

func TestHTTP2RequestsTakeTheSameWay(t *testing.T) {
	onBoth(t, func(t *testing.T, secure bool) {
		seen := make(chan *http.Request, 1)
		g, url := startHTTP2(t, Config{}, secure, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			seen <- r
			w.Header().Set("Connection", "X-Hop")
			w.Header().Set("X-Hop", "1")
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
			w.Header()["Content-Type"] = nil
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(bytes.ToUpper(b))
		}, nil)
		req, _ := http.NewRequest(http.MethodPost, url+"/a/b?c=d", strings.NewReader("hello"))
		req.Host = "shop.example.com"
		req.Header = http.Header{"X-Multi": {"1", "2"}, "X-Consumer-Username": {"forged"}, "X_consumer_id": {"forged"},
			"Cookie": {"x=1", "y=2"}, "Via": {"1.1 other"}, "Te": {"trailers"}}
		res, err := http2Client(t, secure).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.ProtoMajor != 2 || res.StatusCode != 201 || string(body) != "HELLO" || res.ContentLength != 5 {
			t.Errorf("%v %d %q, length %d, %v", res.Proto, res.StatusCode, body, res.ContentLength, err)
		}
		h := res.Header
		if h.Get("X-Hop") != "" || h.Get("Connection") != "" || len(h["Set-Cookie"]) != 2 || h.Get("Content-Type") != "" ||
			h.Get("X-Kong-Upstream-Latency") == "" || h.Get("Via") != "1.1 gatelab" || len(h["Date"]) != 1 {
			t.Errorf("answered with %v", h)
		}
		r := <-seen
		scheme := map[bool]string{true: "https", false: "http"}[secure]
		got := fmt.Sprint(r.Proto, r.Method, r.RequestURI, r.Header["X-Multi"], r.Header["Cookie"], r.Header["Via"],
			r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-Host"], r.Header["X-Consumer-Username"], r.Header["X_consumer_id"],
			r.Header["Te"], r.ContentLength)
		want := fmt.Sprint("HTTP/1.1", "POST", "/a/b?c=d", []string{"1", "2"}, []string{"x=1; y=2"}, []string{"1.1 other, 2 gatelab"},
			[]string{scheme}, []string{"shop.example.com"}, []string{}, []string{}, []string{"trailers"}, 5)
		if got != want {
			t.Errorf("the upstream saw\n%s, want\n%s", got, want)
		}
		if _, port, _ := net.SplitHostPort(strings.Split(url, "//")[1]); r.Header.Get("X-Forwarded-Port") != port {
			t.Errorf("X-Forwarded-Port is %s, want %s", r.Header.Get("X-Forwarded-Port"), port)
		}
		g.waitForLog(t, `"http":"2"`)
	})
}

func TestHTTP2AnswersWithoutBodies(t *testing.T) {
	g, url := startHTTP2(t, Config{}, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "1234")
			if r.Method != http.MethodHead {
				_, _ = io.CopyN(w, zeros{}, 1234)
			}
		}
	}, nil)
	client := http2Client(t, true)
	for _, c := range []struct {
		method, path string
		status, size int
		length       int64
	}{
		{"HEAD", "/", 200, 0, 1234}, {"GET", "/", 200, 1234, 1234}, {"GET", "/204", 204, 0, 0}, {"GET", "/304", 304, 0, -1},
		{"HEAD", "/204", 204, 0, 0},
	} {
		req, _ := http.NewRequest(c.method, url+c.path, nil)
		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || len(b) != c.size || c.length > 0 && res.ContentLength != c.length {
			t.Errorf("%s %s: %d, %d bytes, length %d, %v", c.method, c.path, res.StatusCode, len(b), res.ContentLength, err)
		}
	}
	count(t, g.server.http2.metrics.requests, 5)
}

// TestAnHTTP2AnswerWithoutContentHasNoLength: clients take a 204 with one for
// malformed (RFC 9110, 8.6), also where a plugin has made a body for it.
func TestAnHTTP2AnswerWithoutContentHasNoLength(t *testing.T) {
	g, url := startHTTP2(t, Config{}, false, func(http.ResponseWriter, *http.Request) {}, nil)
	g.apply(t, config("http://127.0.0.1:1", entity.Route{Paths: []string{"/"}}, entity.Plugin{
		ID: "p", Name: "request-termination", Enabled: true, Config: map[string]any{"status_code": 204, "message": "gone"},
	}))
	client := dialHTTP2(t, url)
	client.ask(1, true, getFields...)
	for {
		f, err := client.ReadFrame()
		client.must(err)
		h, ok := f.(*http2.MetaHeadersFrame)
		if !ok {
			continue
		}
		if got := h.PseudoValue("status"); got != "204" || !h.StreamEnded() {
			t.Errorf("status %s, ended: %t", got, h.StreamEnded())
		}
		for _, f := range h.RegularFields() {
			if f.Name == "content-length" {
				t.Errorf("content-length: %s", f.Value)
			}
		}
		return
	}
}

func TestHTTP2BodiesStreamBothWays(t *testing.T) {
	onBoth(t, func(t *testing.T, secure bool) {
		_, url := startHTTP2(t, Config{}, secure, func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			_ = c.EnableFullDuplex()
			w.WriteHeader(200)
			_ = c.Flush()
			buf := make([]byte, 100)
			for {
				n, err := r.Body.Read(buf)
				_, _ = w.Write(buf[:n])
				_ = c.Flush()
				if err != nil {
					return
				}
			}
		}, nil)
		const size = 3 << 20 // more than every window
		res, err := http2Client(t, secure).Post(url+"/", "text/plain", io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
			t.Errorf("%d bytes came back, %v", n, err)
		}
	})
}

func TestAnHTTP2AnswerThatBreaksOffIsNotWhole(t *testing.T) {
	for _, head := range []string{"Content-Length: 1000000\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"} {
		origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head)
			return false
		})
		t.Run(head[:12], func(t *testing.T) {
			g := startServer(t, Config{}, limits(nil), 4)
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
			res, err := http2Client(t, true).Get("https://" + g.listen(t, Protocols{TLS: true, HTTP2: true}) + "/")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var reset http2.StreamError
			if b, err := io.ReadAll(res.Body); string(b) != "hello" || !errors.As(err, &reset) {
				t.Errorf("got %q, %v", b, err)
			}
		})
	}
}

func TestListenersSpeakWhatTheyShould(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{}, limits(nil), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for _, c := range []struct {
		name  string
		p     Protocols
		offer []string
		want  string
	}{
		{"both", Protocols{TLS: true, HTTP2: true}, []string{"http/1.1", "h2"}, "h2"},
		{"the client without", Protocols{TLS: true, HTTP2: true}, nil, ""},
		{"the client with HTTP/1.1", Protocols{TLS: true, HTTP2: true}, []string{"http/1.1"}, "http/1.1"},
		{"the listener without", Protocols{TLS: true}, []string{"h2", "http/1.1"}, "http/1.1"},
	} {
		client := dialTLS(t, g.listen(t, c.p), func(config *tls.Config) { config.NextProtos = c.offer })
		if got := client.ConnectionState().NegotiatedProtocol; got != c.want {
			t.Errorf("%s: negotiated %q, want %q", c.name, got, c.want)
		}
	}
	// Without TLS both are told apart by the first bytes, however they come.
	address := g.listen(t, Protocols{HTTP2: true})
	for _, request := range []string{
		oneRequest, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "PRI / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		client := dialTCP(t, address)
		for _, b := range []byte(request[:4]) {
			send(t, client, string(b))
			time.Sleep(time.Millisecond)
		}
		send(t, client, request[4:])
		b := make([]byte, 12)
		if _, err := io.ReadFull(client, b); err != nil || string(b) != "HTTP/1.1 200" {
			t.Errorf("%q: %q, %v", request, b, err)
		}
	}
	if got := g.say(t, http2.ClientPreface); !strings.HasPrefix(got, "HTTP/1.1 505 ") && !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("a listener without HTTP/2 answers %q", got)
	}
}
