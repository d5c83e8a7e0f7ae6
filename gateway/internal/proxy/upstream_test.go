package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// lateAnswer is what an upstream sends after an answer, unasked.
const lateAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Poison: 1\r\n\r\npoison"

// TestLateBytesReachNoOtherClient has an upstream end an answer in each way
// that there is, and send another one 20 ms later. The next ten clients get
// their own answers.
func TestLateBytesReachNoOtherClient(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	cache := proxyCachePlugin(map[string]any{
		"strategy": "memory", "content_type": []any{"*/*"}, "cache_ttl": 60, "response_code": []any{200, 204}, "request_method": []any{"GET",
			"HEAD"},
	})
	for _, way := range []struct {
		name, method, words string
		plugins             []entity.Plugin
		unbuffered          bool
	}{
		{name: "204", method: "GET", words: "HTTP/1.1 204 No Content\r\n\r\n"},
		{name: "304", method: "GET", words: "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"},
		{name: "HEAD", method: "HEAD", words: ok + "Content-Length: 60\r\n\r\n"},
		{name: "DELETE", method: "DELETE", words: "HTTP/1.1 204 No Content\r\n\r\n"},
		{name: "known length", method: "GET", words: ok + "Content-Length: 5\r\n\r\nhello"},
		{name: "known length, unbuffered", method: "GET", words: ok + "Content-Length: 5\r\n\r\nhello", unbuffered: true},
		{name: "long", method: "GET", words: ok + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000)},
		{name: "chunked", method: "GET", words: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{name: "trailers", method: "POST", words: ok + "Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"},
		{name: "an event stream", method: "GET", words: ok +
			"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n0\r\n\r\n"},
		{name: "retried", method: "GET", words: "HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhello"},
		{name: "retried, chunked", method: "GET", words: "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{name: "cached", method: "GET", words: ok + "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
			plugins: []entity.Plugin{cache}},
		{name: "cached, chunked", method: "GET", words: ok +
			"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", plugins: []entity.Plugin{cache}},
		{name: "cached 204", method: "GET", words: "HTTP/1.1 204 No Content\r\nContent-Type: text/plain\r\n\r\n",
			plugins: []entity.Plugin{cache}},
	} {
		t.Run(way.name, func(t *testing.T) {
			written := make(chan struct{})
			var first atomic.Bool
			origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.URL.Path != "/first" || first.Swap(true) {
					_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(r.URL.Path), r.URL.Path)
					return err == nil
				}
				_, _ = io.WriteString(c, way.words)
				time.Sleep(20 * time.Millisecond) // the answer has been read, and the connection is idle
				_, _ = io.WriteString(c, lateAnswer)
				close(written)
				return true
			})
			g := startCached(t, Config{})
			cfg := config(origin.url, entity.Route{Paths: []string{"/"}}, way.plugins...)
			cfg.Routes[0].ResponseBuffering = !way.unbuffered
			g.apply(t, cfg)
			answer := g.say(t, way.method+" /first HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			if strings.Contains(answer, "oison") {
				t.Errorf("the first client got %q", answer)
			}
			select {
			case <-written:
			case <-time.After(10 * time.Second):
				t.Fatal("the origin did not come to its late bytes")
			}
			for i := range 10 {
				method := []string{"GET", "POST", "GET", "PUT", "DELETE"}[i%5]
				path := fmt.Sprint("/client-", i)
				answer := g.say(t, method+" "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				head, body, _ := strings.Cut(answer, "\r\n\r\n")
				if !strings.HasPrefix(head, "HTTP/1.1 200") || body != path || strings.Contains(head, "X-Poison") {
					t.Fatalf("client %d got %q", i, answer)
				}
			}
		})
	}
}

func TestABrokenChunkedAnswerHasNoEndForTheClient(t *testing.T) {
	for say, rest := range map[string]string{
		"no line end after the data": "5\r\nhello0\r\n\r\n",
		"LF for the empty line":      "5\r\nhello\r\n0\r\n\n",
		"a line that is no trailer":  "5\r\nhello\r\n0\r\nX\n",
		"a trailer without a colon":  "5\r\nhello\r\n0\r\nX-Sum\r\n\r\n",
		"LF after the size":          "5\r\nhello\r\n5\nhello\r\n0\r\n\r\n",
		"a size beyond all numbers":  "5\r\nhello\r\nffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
		"CRLF in an extension":       "5\r\nhello\r\n5;a=\"\r\n0\r\n\r\n",
		"an end":                     "5\r\nhello\r\n",
	} {
		t.Run(say, func(t *testing.T) {
			origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+rest)
				return say != "an end"
			})
			g := start(t, Config{}, 4)
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
			for range 2 {
				answer := g.say(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // until the gateway closes
				if strings.HasSuffix(answer, "0\r\n\r\n") {
					t.Errorf("the client got a whole body: %q", answer)
				}
			}
			if n := origin.connections.Load(); n != 2 {
				t.Errorf("%d connections for two such answers", n)
			}
		})
	}
}

func TestAnUnreadableAnswerIs502AtOnce(t *testing.T) {
	for say, words := range map[string]string{
		"garbage":                    "hello",
		"a header that is too long":  "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 70<<10) + "\r\nContent-Length: 0\r\n\r\n",
		"101 that was not asked for": "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + lateAnswer,
	} {
		t.Run(say, func(t *testing.T) {
			origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
				_, err := io.WriteString(c, words)
				return err == nil
			})
			g := start(t, Config{}, 4)
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}})) // with 5 retries
			for i, method := range []string{"GET", "PUT", "DELETE", "POST"} {
				answer := g.say(t, method+" / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				if !strings.HasPrefix(answer, "HTTP/1.1 502 ") || strings.Contains(answer, "poison") {
					t.Errorf("%s: %q", method, answer)
				}
				if n := origin.requests.Load(); n != int64(i+1) {
					t.Fatalf("the origin was asked %d times after %d requests", n, i+1)
				}
			}
		})
	}
}

func TestResponseBufferingOffPassesEveryByteOn(t *testing.T) {
	for _, framing := range []string{"Content-Length: 10", "Transfer-Encoding: chunked", "Connection: close"} {
		t.Run(framing, func(t *testing.T) {
			release := make(chan struct{})
			part := func(s string) string {
				if strings.HasPrefix(framing, "Transfer") {
					return fmt.Sprintf("%x\r\n%s\r\n", len(s), s)
				}
				return s
			}
			origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+framing+"\r\n\r\n"+part("first"))
				<-release
				_, _ = io.WriteString(c, part("other"))
				if strings.HasPrefix(framing, "Transfer") {
					_, _ = io.WriteString(c, "0\r\n\r\n")
				}
				return framing != "Connection: close"
			})
			g := start(t, Config{}, 4)
			cfg := config(origin.url, entity.Route{Paths: []string{"/"}})
			cfg.Routes[0].ResponseBuffering = false
			g.apply(t, cfg)
			c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 5)
			if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "first" {
				t.Fatalf("before the origin went on: %q %v", b, err)
			}
			close(release)
			if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "other" {
				t.Errorf("then: %q %v", rest, err)
			}
			if want := int64(10); strings.HasPrefix(framing, "Content") && res.ContentLength != want {
				t.Errorf("Content-Length is %d, want the origin's %d", res.ContentLength, want)
			}
			// The client's connection is in step.
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if res, err = http.ReadResponse(bufio.NewReader(c), nil); err != nil {
				t.Fatal(err)
			}
			if all, err := io.ReadAll(res.Body); err != nil || string(all) != "firstother" {
				t.Errorf("the next answer: %q %v", all, err)
			}
		})
	}
}

func TestTheHostIsTheChosenTargets(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(r.Host), r.Host)
		return err == nil
	})
	port := origin.url[strings.LastIndexByte(origin.url, ':')+1:]
	g := start(t, Config{}, 4)
	for _, c := range []struct {
		hostHeader string
		preserve   bool
		want       string
	}{
		{want: "localhost:" + port},
		{hostHeader: "virtual.test", want: "virtual.test"},
		{hostHeader: "virtual.test", preserve: true, want: "www.client.test"},
		{preserve: true, want: "www.client.test"},
	} {
		cfg := config(origin.url, entity.Route{Paths: []string{"/"}, PreserveHost: c.preserve})
		cfg.Services[0].Host = "up"
		cfg.Upstreams = []entity.Upstream{{ID: "u", Name: "up", HostHeader: c.hostHeader}}
		cfg.Targets = []entity.Target{{ID: "t", Target: "localhost:" + port, Weight: 1, Upstream: entity.Ref{ID: "u"}}}
		g.apply(t, cfg)
		answer := g.say(t, "GET / HTTP/1.1\r\nHost: www.client.test\r\nConnection: close\r\n\r\n")
		if _, body, _ := strings.Cut(answer, "\r\n\r\n"); body != c.want {
			t.Errorf("host_header %q, preserve_host %v: the origin saw %q, want %q", c.hostHeader, c.preserve, body, c.want)
		}
	}
}

func TestAServicesHostHasBracketsWhereItMust(t *testing.T) {
	for _, c := range []struct {
		host     string
		port     int
		protocol string
		want     string
	}{
		{host: "origin", port: 80, protocol: "http", want: "origin"},
		{host: "origin", port: 443, protocol: "https", want: "origin"},
		{host: "origin", port: 8000, protocol: "http", want: "origin:8000"},
		{host: "::1", port: 80, protocol: "http", want: "[::1]"},
		{host: "::1", port: 8000, protocol: "http", want: "[::1]:8000"},
		{host: "[::1]", port: 8443, protocol: "https", want: "[::1]:8443"},
	} {
		if got := hostPort(c.host, c.port, c.protocol); got != c.want {
			t.Errorf("hostPort(%q, %d, %q) is %q, want %q", c.host, c.port, c.protocol, got, c.want)
		}
	}
}
