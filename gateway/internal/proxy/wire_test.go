package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// peer is an origin that speaks by hand: answer is called for each request of
// each connection, and false ends the connection.
type peer struct {
	url         string
	connections atomic.Int64
	requests    atomic.Int64
}

func startPeer(t *testing.T, answer func(c net.Conn, r *http.Request, n int64) bool) *peer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{url: "http://" + ln.Addr().String()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.connections.Add(1)
			go func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					if !answer(c, r, p.requests.Add(1)) {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
				}
			}()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-ended })
	return p
}

// say sends a request as it stands and reads what comes until the gateway has
// nothing more to say.
func (g *gateway) say(t *testing.T, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %q: %v", answer, err)
	}
	return string(answer)
}

func TestAnOldClientGetsABodyWithoutChunks(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		if r.Proto != "HTTP/1.1" || r.Close {
			t.Errorf("origin was asked in %s, close %v", r.Proto, r.Close)
		}
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
		return err == nil
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for range 3 {
		answer := g.say(t, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
		head, body, _ := strings.Cut(answer, "\r\n\r\n")
		if body != "hello world" || strings.Contains(strings.ToLower(head), "transfer-encoding") {
			t.Fatalf("got %q", answer)
		}
	}
	if n := origin.connections.Load(); n != 1 {
		t.Errorf("three requests took %d connections to the origin, want 1", n)
	}
}

func TestAnOldOriginIsUnderstood(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(c, "HTTP/1.0 200 Fine\r\nContent-Type: text/plain\r\n\r\nuntil the end")
		return false
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for range 2 {
		res, body := get(t, g.url+"/")
		if res.Proto != "HTTP/1.1" || body != "until the end" || res.Close {
			t.Errorf("got %s %q, close %v", res.Proto, body, res.Close)
		}
	}
}

func TestInterimAnswersAreNotTheAnswer(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		if r.Header.Get("Expect") != "" {
			t.Error("the origin was asked whether to continue; the gateway has said so already")
		}
		_, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+
			"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")
		return err == nil
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	answer := g.say(t, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
	answer, passed := strings.CutPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
	if !passed || !strings.HasPrefix(answer, "HTTP/1.1 201 Created\r\n") || !strings.HasSuffix(answer, "ok") ||
		strings.Contains(answer, "Link:") || strings.Contains(answer, "Content-Type") {
		t.Errorf("got %q", answer)
	}
}

func TestABodyThatBreaksOffIsNotForwardedAsWhole(t *testing.T) {
	whole := make(chan string, 10)
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err == nil {
			whole <- string(b)
		}
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for name, request := range map[string]string{
		"short":   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this",
		"long":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 90000),
		"chunked": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, request)
		_ = c.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(c)
		c.Close()
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") && !strings.HasPrefix(string(answer), "HTTP/1.1 499 ") {
			t.Errorf("%s: answered %q", name, answer)
		}
	}
	// Three such bodies in a row must not count against the origin either.
	if res, _ := get(t, g.url+"/"); res.StatusCode != 200 {
		t.Errorf("afterwards: %d", res.StatusCode)
	}
	if b := <-whole; b != "" {
		t.Errorf("the origin took %q for a whole body", b)
	}
}

func TestABodyOfUnknownLengthIsLimited(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer origin.Close()
	g := start(t, Config{MaxBodyBytes: 1000}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for size, want := range map[int64]int{1000: 200, 1001: 413} {
		req, _ := http.NewRequest(http.MethodPost, g.url+"/", struct{ io.Reader }{io.LimitReader(zeros{}, size)})
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes in chunks: %d, want %d", size, res.StatusCode, want)
		}
	}
}

func TestAClientCannotSpeakInTheGatewaysName(t *testing.T) {
	seen := make(chan http.Header, 1)
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, entity.Plugin{ID: "p", Name: "key-auth", Enabled: true,
		Config: map[string]any{"key_names": []any{"apikey"}, "key_in_header": true, "run_on_preflight": true}}))
	var forged []string
	for _, name := range []string{"X-Consumer-Username", "X-Consumer-ID", "X-Credential-Identifier", "X-Real-IP", "X-Forwarded-Proto",
		"X-Forwarded-Host", "X-Forwarded-Prefix"} {
		forged = append(forged, name, "forged", name, "twice")
	}
	forged = append(forged, "apikey", "secret-key", "Connection", "X-Consumer-Username, X-Real-IP, X-Drop", "X-Drop", "1")
	get(t, g.url+"/", forged...)
	h := <-seen
	for name, want := range map[string][]string{
		"X-Consumer-Username": {"alice"}, "X-Consumer-Id": {"c1"}, "X-Credential-Identifier": {"k1"},
		"X-Real-Ip": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"127.0.0.1"}, "X-Forwarded-Prefix": nil, "X-Drop": nil,
	} {
		if got := h.Values(name); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("upstream saw %s: %q, want %q", name, got, want)
		}
	}
}

func TestARequestThatKillsItsConnectionIsNotSentToAllOthers(t *testing.T) {
	var deadly atomic.Int64
	release := make(chan struct{})
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		if r.URL.Path == "/deadly" {
			deadly.Add(1)
			return false
		}
		<-release
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		return err == nil
	})
	g := start(t, Config{}, 50)
	c := config(origin.url, entity.Route{Paths: []string{"/"}})
	c.Services[0].Retries = 1
	g.apply(t, c)
	done := make(chan int, 20)
	for range cap(done) { // leaves as many connections idle
		go func() {
			res, err := http.Get(g.url + "/")
			if err != nil {
				done <- 0
				return
			}
			res.Body.Close()
			done <- res.StatusCode
		}()
	}
	for origin.requests.Load() < int64(cap(done)) {
		time.Sleep(time.Millisecond)
	}
	close(release)
	for range cap(done) {
		if status := <-done; status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	if res, _ := get(t, g.url+"/deadly"); res.StatusCode != 502 {
		t.Errorf("status %d, want 502", res.StatusCode)
	}
	// Two attempts, each on a kept connection and once more on a new one.
	if n := deadly.Load(); n > 4 {
		t.Errorf("the origin got the request %d times", n)
	}
}

func TestWhatMustNotBeSentTwiceIsNot(t *testing.T) {
	origin := startPeer(t, func(net.Conn, *http.Request, int64) bool { return false })
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	post := func(key string) int64 {
		before := origin.requests.Load()
		req, _ := http.NewRequest(http.MethodPost, g.url+"/", strings.NewReader("pay"))
		if key != "" {
			req.Header.Set("Idempotency-Key", key)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 502 {
			t.Errorf("status %d, want 502", res.StatusCode)
		}
		return origin.requests.Load() - before
	}
	if n := post(""); n != 1 {
		t.Errorf("a POST was sent %d times", n)
	}
	if n := post("k"); n != 6 { // the service allows 5 retries
		t.Errorf("a POST with an Idempotency-Key was sent %d times, want 6", n)
	}
}

func TestABrokenAnswerIsNotTakenForAWholeOne(t *testing.T) {
	for name, head := range map[string]string{
		"chunked":      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"known length": "Content-Length: 1000000\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head)
				return false
			})
			g := start(t, Config{AccessLog: LogSampled}, 4)
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
			res, err := http.Get(g.url + "/")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil || string(body) != "hello" {
				t.Errorf("client read %q without an error", body)
			}
			g.waitForLog(t, `"error":"pass on the response: unexpected EOF"`)
		})
	}
}

// waitForLog waits for a line: it is written after the answer has gone.
func (g *gateway) waitForLog(t *testing.T, want string) {
	t.Helper()
	for range 3000 {
		if strings.Contains(g.log.String(), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the log does not say %s:\n%s", want, g.log)
}

func TestAClientLostDuringASilentStreamEndsTheUpstreamsWork(t *testing.T) {
	ended := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 0\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done() // says nothing more
		close(ended)
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	c.Services[0].ReadTimeout = 60000
	g.apply(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/", nil)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "data: 0\n" {
		t.Fatalf("first event: %q %v", line, err)
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the upstream still works for a client that has left")
	}
}

func TestEventsOfKnownLengthArriveAsTheyAreSent(t *testing.T) {
	next := make(chan struct{})
	origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 4\r\n\r\na\n")
		<-next
		_, err := io.WriteString(c, "b\n")
		return err == nil
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	res, err := http.Get(g.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	br := bufio.NewReader(res.Body)
	if line, err := br.ReadString('\n'); line != "a\n" {
		t.Fatalf("%q %v", line, err)
	}
	close(next)
	if rest, err := io.ReadAll(br); string(rest) != "b\n" || err != nil {
		t.Errorf("%q %v", rest, err)
	}
}

func TestWebSocketsPassAndSurviveAReload(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		if r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
			t.Errorf("origin saw %v", r.Header)
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst;")
		_, _ = io.Copy(c, c) // an echo
		return false
	})
	for _, keepalive := range []int{0, 4} {
		t.Run(fmt.Sprint("keepalive ", keepalive), func(t *testing.T) {
			g := start(t, Config{}, keepalive)
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
			c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")
			br := bufio.NewReader(c)
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" { //nolint:bodyclose // it has none
				t.Fatalf("%v %v", res, err)
			}
			if s, _ := br.ReadString(';'); s != "first;" {
				t.Errorf("ahead of everything came %q", s)
			}
			next := config(origin.url, entity.Route{Paths: []string{"/other"}})
			next.Revision = 2
			g.apply(t, next)
			_, _ = io.WriteString(c, "ping;")
			if s, err := br.ReadString(';'); s != "ping;" {
				t.Errorf("after a reload: %q %v", s, err)
			}
		})
	}
}

func TestTargetsMayNameTheHost(t *testing.T) {
	seen := make(chan string, 1)
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("X-Forwarded-Host") + r.URL.String()
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Hosts: []string{"a.example"}}))
	answer := g.say(t, "GET http://a.example/x?y=1 HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Fatalf("got %q", answer)
	}
	if got := <-seen; got != "a.example/x?y=1" {
		t.Errorf("upstream saw %q", got)
	}
}

func TestZeroKeepaliveOpensAConnectionForEveryRequest(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		if !r.Close {
			t.Error("the origin was not told that the connection ends")
		}
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		return err == nil
	})
	g := start(t, Config{}, 0)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for range 5 {
		get(t, g.url+"/")
	}
	if n := origin.connections.Load(); n != 5 {
		t.Errorf("five requests took %d connections", n)
	}
}

func TestABugFailsOneRequestOnly(t *testing.T) {
	g := start(t, Config{Revisions: panickingSource{}}, 4)
	g.apply(t, config("http://127.0.0.1:1", entity.Route{Paths: []string{"/"}}))
	for range 2 {
		if res, body := get(t, g.url+"/"); res.StatusCode != 500 || body != `{"message":"An unexpected error occurred"}` {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	}
	if log := g.log.String(); !strings.Contains(log, "out of cheese") {
		t.Errorf("the log says %s", log)
	}
}

type panickingSource struct{}

func (panickingSource) Revision(context.Context) (int64, error) { panic(errors.New("out of cheese")) }
func (panickingSource) Refresh(context.Context) error           { return nil }

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu  chan struct{}
	buf bytes.Buffer
}

func newSyncBuffer() *syncBuffer { return &syncBuffer{mu: make(chan struct{}, 1)} }

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu <- struct{}{}
	defer func() { <-b.mu }()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu <- struct{}{}
	defer func() { <-b.mu }()
	return b.buf.String()
}
