package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
)

// readAnswer reads one answer, and fails when it takes as long as a time limit of
// the gateway could: the answer must not wait for the client's next byte.
func readAnswer(t *testing.T, br *bufio.Reader) (*http.Response, string) {
	t.Helper()
	began := time.Now()
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("answered after %v", took)
	}
	return res, string(body)
}

// refuser is an origin that answers by the header alone. It reads what comes
// afterwards, or leaves it.
func refuser(t *testing.T, answer string, reads bool) (origin *peer, release func()) {
	released := make(chan struct{})
	origin = startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		if r.URL.Path == "/ok" {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			return err == nil
		}
		_, _ = io.WriteString(c, answer)
		if reads {
			return true
		}
		<-released
		return false
	})
	return origin, func() { close(released) }
}

func TestAnUpstreamsRefusalIsDeliveredWhileTheClientPauses(t *testing.T) {
	const (
		tooLarge  = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
		forbidden = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
	)
	for _, c := range []struct {
		name, head, begin string
		answer, want      string
		reads             bool
	}{
		{name: "known length", head: "Content-Length: 1000000", begin: strings.Repeat("a", 5000), answer: tooLarge, want: "413"},
		{name: "known length, nothing has come", head: "Content-Length: 1000000", answer: tooLarge, want: "413"},
		{name: "known length, little has come", head: "Content-Length: 1000000", begin: "a", answer: forbidden, want: "403", reads: true},
		{name: "chunked", head: "Transfer-Encoding: chunked", begin: "5\r\nhello\r\n", answer: tooLarge, want: "413"},
		{name: "chunked, nothing has come", head: "Transfer-Encoding: chunked", answer: forbidden, want: "403"},
		{name: "chunked, within a chunk", head: "Transfer-Encoding: chunked", begin: "ffff\r\nhello",
			answer: forbidden, want: "403", reads: true},
		{name: "chunked, within a size", head: "Transfer-Encoding: chunked", begin: "5\r\nhello\r\nff",
			answer: tooLarge, want: "413", reads: true},
		{name: "continued", head: "Expect: 100-continue\r\nContent-Length: 1000000", answer: tooLarge, want: "413"},
	} {
		t.Run(c.name, func(t *testing.T) {
			origin, release := refuser(t, c.answer, c.reads)
			defer release()
			g := startServer(t, Config{}, limits(nil), 4)
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
			client := g.dial(t)
			br := bufio.NewReader(client)
			send(t, client, "POST / HTTP/1.1\r\nHost: x\r\n"+c.head+"\r\n\r\n"+c.begin)
			if strings.HasPrefix(c.head, "Expect") {
				if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 100 { //nolint:bodyclose // it has none
					t.Fatal(res, err)
				}
			}
			res, body := readAnswer(t, br)
			if fmt.Sprint(res.StatusCode) != c.want || body != "no" || !res.Close {
				t.Errorf("got %d %q, close %v", res.StatusCode, body, res.Close)
			}
			if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
				t.Errorf("afterwards came %q: %v", rest, err)
			}
			// The connection to the origin has half a request on it.
			before := origin.connections.Load()
			if res, body := get(t, g.url+"/ok"); res.StatusCode != 200 || body != "ok" {
				t.Errorf("afterwards %d %q", res.StatusCode, body)
			}
			if origin.connections.Load() != before+1 {
				t.Error("a connection with half a request on it was used again")
			}
			count(t, g.clients.metrics.body, 0)
		})
	}
}

// The whole body may have come before the refusal does; then nothing was
// interrupted, and the connection stays open.
func TestARefusalAfterTheBodyLeavesTheConnectionOpen(t *testing.T) {
	const size = 100_000 // streamed
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		_, err := io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		return err == nil
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	client := g.dial(t)
	br := bufio.NewReader(client)
	for range 20 {
		send(t, client, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("a", size)))
		if res, body := readAnswer(t, br); res.StatusCode != 403 || body != "no" || res.Close {
			t.Fatalf("got %d %q, close %v", res.StatusCode, body, res.Close)
		}
	}
	if n := origin.connections.Load(); n != 1 {
		t.Errorf("the origin saw %d connections", n)
	}
}

// What may race: the refusal comes with the last bytes of the body. Whichever is
// first, the answer is whole, and a connection that stays open serves the next
// request.
func TestARefusalThatMeetsTheEndOfTheBody(t *testing.T) {
	const size = 100_000
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		_, _ = io.CopyN(io.Discard, r.Body, size-1)
		_, err := io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		return err == nil
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for range 50 {
		client := g.dial(t)
		br := bufio.NewReader(client)
		for range 3 {
			_, _ = fmt.Fprintf(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("a", size))
			res, body := readAnswer(t, br)
			if res.StatusCode != 403 || body != "no" {
				t.Fatalf("got %d %q", res.StatusCode, body)
			}
			if res.Close {
				break
			}
		}
		client.Close()
	}
}

func TestWhatIsRefusedByTheHeaderAloneIsAnsweredBeforeTheBody(t *testing.T) {
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	g := startServer(t, Config{MaxBodyBytes: 1 << 20}, limits(nil), 4)
	limiter := limit.New(limit.Config{}, nil)
	t.Cleanup(func() { _ = limiter.Close() })
	g.deps.Limits = limiter
	route := entity.Route{Paths: []string{"/api"}}
	c := config(origin.URL, route,
		entity.Plugin{ID: "p1", Name: "key-auth", Enabled: true, Config: map[string]any{
			"key_names": []any{"apikey"}, "key_in_header": true, "run_on_preflight": true}},
		entity.Plugin{ID: "p2", Name: "rate-limiting", Enabled: true, Config: map[string]any{
			"minute": float64(1), "policy": "local", "limit_by": "consumer", "fault_tolerant": true}})
	g.apply(t, c)
	const key = "apikey: secret-key\r\n"
	if res, _ := get(t, g.url+"/api", "apikey", "secret-key"); res.StatusCode != 200 {
		t.Fatalf("got %d", res.StatusCode)
	}
	for _, c := range []struct{ name, line, fields, want string }{
		{name: "no key", line: "POST /api HTTP/1.1", want: "401"},
		{name: "no key, HTTP/1.0", line: "POST /api HTTP/1.0", want: "401"},
		{name: "wrong key", line: "POST /api HTTP/1.1", fields: "apikey: wrong\r\n", want: "401"},
		{name: "over the limit", line: "POST /api HTTP/1.1", fields: key, want: "429"},
		{name: "no route", line: "POST /other HTTP/1.1", want: "404"},
		{name: "ambiguous path", line: "POST /api/..%2f/x HTTP/1.1", fields: key, want: "400"},
		{name: "method", line: "TRACE /api HTTP/1.1", want: "405"},
		{name: "version", line: "POST /api HTTP/2.0", want: "505"},
	} {
		for _, framing := range []string{"Content-Length: 5", "Content-Length: 500000", "Transfer-Encoding: chunked"} {
			if strings.HasSuffix(c.line, "1.0") && strings.HasPrefix(framing, "Transfer") || strings.HasSuffix(c.line, "2.0") {
				framing = "Content-Length: 5"
			}
			t.Run(c.name+", "+framing, func(t *testing.T) {
				client := g.dial(t)
				send(t, client, c.line+"\r\nHost: x\r\n"+c.fields+framing+"\r\n\r\n")
				if res, _ := readAnswer(t, bufio.NewReader(client)); fmt.Sprint(res.StatusCode) != c.want {
					t.Errorf("got %d", res.StatusCode)
				}
			})
		}
	}
	t.Run("too large", func(t *testing.T) {
		client := g.dial(t)
		send(t, client, "POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
		if res, _ := readAnswer(t, bufio.NewReader(client)); res.StatusCode != 413 {
			t.Errorf("got %d", res.StatusCode)
		}
	})
}

// A refused request whose body comes after the answer must not be read as the
// next request.
func TestABodyBehindItsRefusalIsNoRequest(t *testing.T) {
	g := start(t, Config{}, 4)
	g.apply(t, config("http://127.0.0.1:1", entity.Route{Paths: []string{"/api"}}))
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	client := g.dial(t)
	br := bufio.NewReader(client)
	for range 3 {
		send(t, client, fmt.Sprintf("POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(smuggled)))
		if res, _ := readAnswer(t, br); res.StatusCode != 404 || res.Close {
			t.Fatalf("got %d, close %v", res.StatusCode, res.Close)
		}
		send(t, client, smuggled)
	}
	send(t, client, "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if rest, _ := ended(t, br); strings.Count(rest, "HTTP/1.1 ") != 1 {
		t.Errorf("got %q", rest)
	}
}

func TestAKeptHeaderNameCannotBeSent(t *testing.T) {
	g := start(t, Config{}, 4)
	g.apply(t, config("http://127.0.0.1:1", entity.Route{Paths: []string{"/"}}))
	answer := g.say(t, "POST / HTTP/1.1\r\nHost: x\r\n:length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
		t.Errorf("got %q", answer)
	}
}

func TestALaterMinorVersionIsReadAsHTTP11(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for _, c := range []struct{ name, request, want string }{
		{name: "GET", request: "GET / HTTP/1.2\r\nHost: x\r\nConnection: close\r\n\r\n", want: "HTTP/1.1 200 "},
		{name: "POST", request: "POST / HTTP/1.9\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", want: "HTTP/1.1 200 "},
		{name: "no host", request: "GET / HTTP/1.2\r\nConnection: close\r\n\r\n", want: "HTTP/1.1 400 "},
		{name: "no host, HTTP/1.0", request: "GET / HTTP/1.0\r\n\r\n", want: "HTTP/1.1 200 "},
		// The codec knows chunks only of HTTP/1.1 itself.
		{name: "chunked", request: "POST / HTTP/1.2\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: "HTTP/1.1 400 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if answer := g.say(t, c.request); !strings.HasPrefix(answer, c.want) {
				t.Errorf("got %q", answer)
			}
			r := origin.take()
			if strings.Contains(c.want, "200") && (r == nil || r.Proto != "HTTP/1.1") {
				t.Errorf("the origin saw %v", r)
			}
		})
	}
}

func TestAnAnswerOfALaterMinorVersionIsReadAsHTTP11(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
		_, err := io.WriteString(c, "HTTP/1.2 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
		return err == nil
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for range 2 {
		if answer := g.say(t, "GET / HTTP/1.2\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, "5\r\nhello\r\n0\r\n\r\n") {
			t.Errorf("got %q", answer)
		}
	}
	if n := origin.connections.Load(); n != 1 {
		t.Errorf("two requests took %d connections, want 1: HTTP/1.2 keeps them as HTTP/1.1 does", n)
	}
}

func TestARequestThatCannotBeReadIsLogged(t *testing.T) {
	g := startServer(t, Config{AccessLog: LogAll}, limits(func(c *ServerConfig) { c.HeaderTimeout = pause }), 4)
	g.apply(t, config("http://127.0.0.1:1", entity.Route{Paths: []string{"/"}}))
	for _, c := range []struct{ name, request, status, reason string }{
		{name: "field name", request: "GET / HTTP/1.1\r\nHost : x\r\n\r\n", status: "400", reason: "malformed field name"},
		{name: "field value", request: "GET / HTTP/1.1\r\nHost: x\r\nApikey: top-secret\x01\r\n\r\n",
			status: "400", reason: "malformed field value"},
		{name: "no host", request: "GET / HTTP/1.1\r\nApikey: top-secret\r\n\r\n", status: "400", reason: "no Host field"},
		{name: "two hosts", request: "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", status: "400", reason: "several Host fields"},
		{name: "two lengths", request: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
			status: "400", reason: "several Content-Length fields"},
		{name: "encoding", request: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
			status: "400", reason: "unsupported Transfer-Encoding"},
		{name: "version", request: "GET / HTCPCP/1.0\r\nHost: a\r\n\r\n", status: "400", reason: "malformed HTTP version"},
		{name: "target", request: "GET x HTTP/1.1\r\nHost: a\r\n\r\n", status: "400", reason: "malformed request target"},
		{name: "method", request: "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", status: "400", reason: "malformed method"},
		{name: "TLS", request: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", status: "400", reason: "no method"},
		{name: "too long", request: "GET / HTTP/1.1\r\nHost: a\r\nX-A: " + strings.Repeat("top-secret", 2000) + "\r\n\r\n",
			status: "431", reason: "longer than client_header_bytes"},
		{name: "too slow", request: "GET / HTTP/1.1\r\nApikey: top-secret", status: "408", reason: "it did not come in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(g.log.String())
			answer := g.say(t, c.request)
			if !strings.HasPrefix(answer, "HTTP/1.1 "+c.status) {
				t.Fatalf("got %q", answer)
			}
			line := ""
			await(t, "logged", func() bool { line = g.log.String()[before:]; return strings.HasSuffix(line, "\n") })
			for _, part := range []string{
				`"msg":"request"`, `"status":` + c.status, `"client_ip":"127.0.0.1"`, `"error":"read the request header: ` + c.reason,
			} {
				if !strings.Contains(line, part) {
					t.Errorf("no %s in %s", part, line)
				}
			}
			if strings.Contains(line, "top-secret") {
				t.Errorf("quotes what the client sent: %s", line)
			}
		})
	}
}
