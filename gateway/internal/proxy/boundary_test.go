package proxy

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// TestACacheTakesNoPartInWebSockets: what answers a page is no answer to a handshake, nor
// the reverse.
func TestACacheTakesNoPartInWebSockets(t *testing.T) {
	for _, switches := range []bool{true, false} {
		t.Run(fmt.Sprint(switches), func(t *testing.T) {
			origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
				switch asks := r.Header.Get("Upgrade") == "websocket"; {
				case asks && switches:
					_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
					return false
				case asks:
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nrefused")
				default:
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\npage")
				}
				return true
			})
			g := startCached(t, Config{})
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}, proxyCachePlugin(map[string]any{})))
			const handshake = "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
			const page = "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
			want := "HTTP/1.1 200 OK\r\n"
			if switches {
				want = "HTTP/1.1 101 "
			}
			for _, path := range []string{"/page-first", "/handshake-first"} {
				if path == "/page-first" {
					if got := g.say(t, fmt.Sprintf(page, path)); bodyOf(got) != "page" {
						t.Errorf("%s: the page is %q", path, got)
					}
				}
				got := g.say(t, fmt.Sprintf(handshake, path))
				if !strings.HasPrefix(got, want) || bodyOf(got) == "page" {
					t.Errorf("%s: the handshake is answered with %q", path, got)
				}
				if got := g.say(t, fmt.Sprintf(page, path)); bodyOf(got) != "page" {
					t.Errorf("%s: the page is then %q", path, got)
				}
			}
		})
	}
}

// TestARequestsNameBreaksNoTarget: a client that asks for a name for which the target has
// no certificate gets an error, and the target stays for the others.
func TestARequestsNameBreaksNoTarget(t *testing.T) {
	origin := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(origin.Close)
	u, err := url.Parse(origin.URL)
	if err != nil {
		t.Fatal(err)
	}
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: origin.Certificate().Raw}))
	verify := true
	c := config(origin.URL, entity.Route{Paths: []string{"/"}, PreserveHost: true})
	s := &c.Services[0]
	s.Protocol, s.Host = "https", "up"
	s.TLSVerify, s.CACertificates = &verify, []string{"ca"}
	c.CACertificates = []entity.CACertificate{{ID: "ca", Cert: ca}}
	checks := entity.Healthchecks{}
	checks.Passive.Unhealthy.TCPFailures = 1
	c.Upstreams = []entity.Upstream{{ID: "u", Name: "up", Algorithm: "round-robin", Slots: 10, Healthchecks: checks}}
	c.Targets = []entity.Target{{ID: "t", Target: u.Host, Weight: 1, Upstream: entity.Ref{ID: "u"}}}
	g := start(t, Config{}, 4)
	g.apply(t, c)
	const request = "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
	for _, host := range []string{"evil.test", "evil.test:443", "192.0.2.1"} {
		if got := g.say(t, fmt.Sprintf(request, host)); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
			t.Errorf("%s: %q", host, got)
		}
		if got := g.say(t, fmt.Sprintf(request, "example.com")); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("after a request for %s: %q", host, got)
		}
	}
	// What is the target's own fault counts as before.
	origin.Close()
	for range 2 {
		_ = g.say(t, fmt.Sprintf(request, "example.com"))
	}
	if got := g.say(t, fmt.Sprintf(request, "example.com")); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("a target that is gone: %q", got)
	}
}

// TestThePrefixIsWrittenAsAPath: a regular expression may take characters that no field
// can hold.
func TestThePrefixIsWrittenAsAPath(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, r *http.Request, _ int64) bool {
		got := fmt.Sprintf("%q", r.Header["X-Forwarded-Prefix"])
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(got), got)
		return true
	})
	g := start(t, Config{PathAmbiguity: PathKeep}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"~/a/[^/]+"}, StripPath: true}))
	for path, want := range map[string]string{
		"/a/b/c":           "/a/b",
		"/a/%00%0d%0aX/c":  "/a/%00%0D%0AX",
		"/a/%c3%bc%20x/c":  "/a/%C3%BC%20x",
		"/a/%7e%2e%2e%7f/": "/a/~..%7F",
	} {
		got := bodyOf(g.say(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
		if got != fmt.Sprintf("[%q]", want) {
			t.Errorf("%s: the prefix arrives as %s, want %s", path, got, want)
		}
	}
}

// TestManyFieldsThatAreDropped: the codec and the gateway take off what is not the
// client's to send, however much of it there is.
func TestManyFieldsThatAreDropped(t *testing.T) {
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%d %s", len(r.Header["X-Forwarded-For"]), r.Header["X-Kept"])
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for _, field := range []string{"TE:\r\n", "X-Consumer-A:\r\n", "Connection:a\r\n", "Upgrade:\r\n", "Forwarded:\r\n"} {
		c := g.dial(t)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Kept: 1\r\n"+strings.Repeat(field, 15_000/len(field))+"X-Kept: 2\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%q: %v", field, err)
		}
		body, _ := io.ReadAll(res.Body)
		if string(body) != "1 [1 2]" {
			t.Errorf("%q: %d %s", field, res.StatusCode, body)
		}
	}
}

// TestManyTrailersAreRefused: to pass a trailer on takes a look at all before it.
func TestManyTrailersAreRefused(t *testing.T) {
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, len(r.Trailer))
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for n, want := range map[int]string{mostTrailers: "HTTP/1.1 200 ", mostTrailers + 1: "HTTP/1.1 400 "} {
		var trailers, names strings.Builder
		for i := range n {
			fmt.Fprintf(&trailers, "a%03x: 1\r\n", i)
			fmt.Fprintf(&names, "a%03x,", i)
		}
		got := g.say(t, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: "+
			strings.TrimSuffix(names.String(), ",")+"\r\n\r\n1\r\na\r\n0\r\n"+trailers.String()+"\r\n")
		if !strings.HasPrefix(got, want) {
			t.Errorf("%d trailers are answered with %.60q", n, got)
		}
	}
}
