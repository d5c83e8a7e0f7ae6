package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestWhoAsksBehindATrustedProxy(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for _, c := range []struct{ name, fields, client, proto, host string }{
		{name: "an address", fields: "X-Forwarded-For: 203.0.113.7\r\n", client: "203.0.113.7", proto: "http", host: "x"},
		{name: "an address with a port", fields: "X-Forwarded-For: 203.0.113.8:51234\r\n", client: "203.0.113.8", proto: "http",
			host: "x"},
		{name: "IPv6 with a port", fields: "X-Forwarded-For: [2001:db8::8]:4711\r\n", client: "2001:db8::8", proto: "http", host: "x"},
		{name: "IPv6 in brackets", fields: "X-Forwarded-For: [2001:db8::8]\r\n", client: "2001:db8::8", proto: "http", host: "x"},
		{name: "IPv6", fields: "X-Forwarded-For: 2001:db8::9\r\n", client: "2001:db8::9", proto: "http", host: "x"},
		{name: "IPv4 in IPv6", fields: "X-Forwarded-For: ::ffff:203.0.113.12\r\n", client: "203.0.113.12", proto: "http", host: "x"},
		{name: "over a second trusted proxy", fields: "X-Forwarded-For: 203.0.113.10:1, 10.1.2.3:2\r\n", client: "203.0.113.10",
			proto: "http", host: "x"},
		{name: "in two lines", fields: "X-Forwarded-For: 203.0.113.10\r\nX-Forwarded-For: 10.1.2.3\r\n", client: "203.0.113.10",
			proto: "http", host: "x"},
		{name: "an empty element at the end", fields: "X-Forwarded-For: 203.0.113.16,\r\n", client: "203.0.113.16", proto: "http",
			host: "x"},
		{name: "what the client itself said before", fields: "X-Forwarded-For: 6.6.6.6, 203.0.113.10\r\n", client: "203.0.113.10",
			proto: "http", host: "x"},
		{name: "no address at all", fields: "X-Forwarded-For: unknown\r\n", client: "127.0.0.1", proto: "http", host: "x"},
		{name: "a zone", fields: "X-Forwarded-For: fe80::1%eth0\r\n", client: "127.0.0.1", proto: "http", host: "x"},
		{name: "X-Real-IP", fields: "X-Real-IP: 203.0.113.11:80\r\n", client: "203.0.113.11", proto: "http", host: "x"},
		{name: "Forwarded", fields: "Forwarded: for=203.0.113.13;proto=https;host=a.example.com\r\n", client: "203.0.113.13",
			proto: "https", host: "a.example.com"},
		{name: "Forwarded, quoted", fields: "Forwarded: For=\"[2001:db8::8]:4711\"; Proto=\"https\"\r\n", client: "2001:db8::8",
			proto: "https", host: "x"},
		{name: "Forwarded over two", fields: "Forwarded: for=6.6.6.6, for=203.0.113.14\r\nForwarded: for=10.0.0.1;proto=https\r\n",
			client: "203.0.113.14", proto: "https", host: "x"},
		{name: "Forwarded without an address", fields: "Forwarded: for=_hidden;proto=https\r\n", client: "127.0.0.1", proto: "https",
			host: "x"},
		{name: "Forwarded that is none", fields: "Forwarded: for=\"203.0.113.1\r\n", client: "127.0.0.1", proto: "http", host: "x"},
		{name: "X-Forwarded-For goes before Forwarded", fields: "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 203.0.113.15\r\n",
			client: "203.0.113.15", proto: "http", host: "x"},
	} {
		g.say(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+c.fields+"\r\n")
		r := origin.take()
		if r == nil {
			t.Errorf("%s: did not arrive", c.name)
			continue
		}
		if got := r.Header.Get("X-Real-IP"); got != c.client {
			t.Errorf("%s: the client is %s, want %s", c.name, got, c.client)
		}
		if got := r.Header.Get("X-Forwarded-Proto"); got != c.proto {
			t.Errorf("%s: the scheme is %s, want %s", c.name, got, c.proto)
		}
		if got := r.Header.Get("X-Forwarded-Host"); got != c.host {
			t.Errorf("%s: the host is %s, want %s", c.name, got, c.host)
		}
		if f := r.Header.Values("Forwarded"); strings.Contains(c.fields, "Forwarded: ") &&
			(len(f) != 1 || !strings.HasSuffix(f[0], ", for=127.0.0.1")) {
			t.Errorf("%s: Forwarded: %q, want the peer at its end", c.name, f)
		}
	}
}

func TestWhatAnUntrustedPeerSaysIsNotBelieved(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	g.say(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"+
		"X-Forwarded-Proto: https\r\n"+
		"X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /evil\r\nForwarded: for=6.6.6.6;host=evil\r\n\r\n")
	r := origin.take()
	if r == nil {
		t.Fatal("did not arrive")
	}
	h := r.Header
	if h.Get("X-Real-IP") != "127.0.0.1" || h.Get("X-Forwarded-For") != "6.6.6.6, 127.0.0.1" || h.Get("X-Forwarded-Proto") != "http" ||
		h.Get("X-Forwarded-Host") != "x" || h.Get("X-Forwarded-Port") == "1" || h.Get("X-Forwarded-Prefix") != "" || h.Get("Forwarded") != "" {
		t.Errorf("arrived with %v", h)
	}
}

func TestViaAndDateAreAppendedAndKept(t *testing.T) {
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	seen := make(chan http.Header, 1)
	origin := startPeer(t, func(c net.Conn, r *http.Request, n int64) bool {
		seen <- r.Header
		dated := ""
		if n == 1 {
			dated = "Date: " + date + "\r\n"
		}
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n"+dated+"Via: 1.1 inner\r\nVia: 1.0 cache\r\nContent-Length: 0\r\n\r\n")
		return err == nil
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	ask := func(line string) (http.Header, http.Header) {
		answer := g.say(t, line+"Host: x\r\nVia: 1.1 outer\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Header, <-seen
	}
	answer, request := ask("GET / HTTP/1.1\r\n")
	if got := answer.Values("Date"); len(got) != 1 || got[0] != date {
		t.Errorf("Date: %q, want the origin's", got)
	}
	if got := answer.Values("Via"); len(got) != 1 || got[0] != "1.1 inner, 1.0 cache, 1.1 gatelab" {
		t.Errorf("the answer's Via: %q", got)
	}
	if got := request.Values("Via"); len(got) != 1 || got[0] != "1.1 outer, 1.1 gatelab" {
		t.Errorf("the request's Via: %q", got)
	}
	answer, request = ask("GET / HTTP/1.0\r\n")
	if at, err := http.ParseTime(answer.Get("Date")); err != nil || time.Since(at).Abs() > time.Minute || len(answer.Values("Date")) != 1 {
		t.Errorf("an answer without Date got %q", answer.Values("Date"))
	}
	if got := request.Get("Via"); got != "1.1 outer, 1.0 gatelab" {
		t.Errorf("Via of an HTTP/1.0 request: %q", got)
	}
	own := g.say(t, "get / HTTP/1.1\r\nHost: x\r\n\r\n")
	if strings.Count(own, "\r\nDate: ") != 1 {
		t.Errorf("the gateway's own answer: %q", own)
	}
}

func TestTheDateOfARetriedAnswerIsTheOrigins(t *testing.T) {
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	origin := startPeer(t, func(c net.Conn, _ *http.Request, n int64) bool {
		if n == 1 {
			_, err := io.WriteString(c, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
			return err == nil
		}
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nDate: "+date+"\r\nContent-Length: 2\r\n\r\nok")
		return err == nil
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	res, body := get(t, g.url+"/")
	if got := res.Header.Values("Date"); body != "ok" || len(got) != 1 || got[0] != date {
		t.Errorf("%q with Date %q after %d requests, want the second answer's", body, got, origin.requests.Load())
	}
}

func TestWhatWillBeRefusedIsRefusedWithoutContinue(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{MaxBodyBytes: 100}, 4)
	c := config(origin.url, entity.Route{Paths: []string{"/open"}}, keyAuthOn("r2"))
	c.Routes = append(c.Routes, new(*c.Routes[0]))
	c.Routes[1].ID, c.Routes[1].Paths = "r2", []string{"/admin"}
	g.apply(t, c)
	ask := func(path, length string, fields ...string) (first string, c net.Conn, br *bufio.Reader) {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %s\r\n%s\r\n", path, length,
			strings.Join(fields, ""))
		br = bufio.NewReader(c)
		first, err = br.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(first), c, br
	}
	for _, c := range []struct{ name, path, length, want string }{
		{name: "without a key", path: "/admin", length: "5", want: "HTTP/1.1 401 Unauthorized"},
		{name: "too large", path: "/open", length: "101", want: "HTTP/1.1 413 Request Entity Too Large"},
		{name: "without a route", path: "/none", length: "5", want: "HTTP/1.1 404 Not Found"},
	} {
		first, _, br := ask(c.path, c.length)
		rest, err := io.ReadAll(br)
		if first != c.want || err != nil || !strings.Contains(string(rest), "Connection: close\r\n") {
			t.Errorf("%s: %q %q %v, want %s and the end", c.name, first, rest, err, c.want)
		}
		if origin.take() != nil {
			t.Errorf("%s: arrived", c.name)
		}
	}
	if first, _, _ := ask("/open", "5", "Expect: 100-continue, 100-Continue\r\n"); first != "HTTP/1.1 100 Continue" {
		t.Errorf("a list of expectations: %q", first)
	}
	first, conn, br := ask("/admin", "5", "apikey: secret-key\r\n")
	if first != "HTTP/1.1 100 Continue" {
		t.Fatalf("with a key: %q", first)
	}
	_, _ = io.WriteString(conn, "hello")
	_, _ = br.ReadString('\n')
	if second, _ := br.ReadString('\n'); !strings.HasPrefix(second, "HTTP/1.1 200 ") {
		t.Errorf("with a key and the body: %q", second)
	}
	if r := origin.take(); r == nil || r.Header.Get("Expect") != "" || r.Header.Get("X-Consumer-Username") != "alice" {
		t.Errorf("arrived as %v", r)
	}
}

// A client that is told to go on and leaves must not stay in the counts.
func TestAClientThatDoesNotContinueIsForgotten(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{AccessLog: LogAll}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("%q %v", line, err)
	}
	c.Close()
	for end := time.Now().Add(10 * time.Second); g.busy.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the request is still counted as under way")
		}
	}
	if origin.take() != nil {
		t.Error("a request without its body arrived")
	}
}

func FuzzParseForwarded(f *testing.F) {
	for _, s := range []string{"for=1.2.3.4", `for="[::1]:80";proto=https, for=_x`, `for="a\"b"`, "=,;", `for="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, e := range parseForwarded(s) {
			if addr, ok := parseAddress(e.client); ok && (!addr.IsValid() || addr.Zone() != "") {
				t.Errorf("%q gives %v", s, addr)
			}
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"1.2.3.4:5", "[::1]:80", "::1", "[1.2.3.4]", "fe80::1%x", "1.2.3.4:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, ok := parseAddress(s)
		if !ok {
			return
		}
		if again, ok := parseAddress(addr.String()); !ok || again != addr {
			t.Errorf("%q gives %v, and that %v", s, addr, again)
		}
	})
}

// FuzzScreen holds that no name the gateway vouches for is left, however the
// block is written.
func FuzzScreen(f *testing.F) {
	for _, s := range []string{"X-Consumer-Id: 1\r\n\r\n", "x_consumer-id:1\n", "A: b\r\n X-Consumer-Id: 1\r\n", "TE : x\r\n", ":\r\n",
		"Via: a\nX"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		var s fieldScan
		if !s.screen(block, UnderscoresSafe, nil) {
			return
		}
		dropped := map[string]bool{}
		for _, name := range s.drop {
			dropped[string(name)] = true
		}
		for line := range strings.SplitSeq(string(block), "\n") {
			name, _, ok := strings.Cut(line, ":")
			if !ok || line == "" || line[0] == ' ' || line[0] == '\t' || line[0] == '\r' {
				continue
			}
			low := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
			if strings.HasPrefix(low, "x-consumer-") && !dropped[name] {
				t.Errorf("%q is left in %q", name, block)
			}
		}
	})
}
