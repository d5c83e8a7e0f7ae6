package webguard_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/webguard"
	"github.com/gatelab/gatelab/internal/webguard/guardtest"
)

func tcp(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 8001} }

func TestHosts(t *testing.T) {
	g, err := webguard.New(webguard.Config{Listen: "0.0.0.0:8001", Hosts: []string{"Admin.example", "2001:db8::1", "[2001:db8::2]"}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost:1": true, "localhost.": true, "127.0.0.1": true, "127.9.9.9:80": true, "[::1]": true, "[::1]:8001": true,
		"[::ffff:127.0.0.1]:80": true, "::1": true,
		"0.0.0.0:8001": true, "10.0.0.5:8001": true, "admin.example": true, "admin.example.:443": true,
		"[2001:db8::1]:8001": true, "[2001:db8::2]": true,
		"10.0.0.6:8001": false, "evil.example": false, "localhost.evil.example": false, "evillocalhost": false,
		"xn--localhost": false, "127.1": false,
		"0x7f000001": false, "2130706433": false, "127.0.0.1.nip.io": false, "localhost:evil": false, "localhost:80:80": false,
		"a@localhost": false,
		"localhost/":  false, "localhost,evil.example": false, "[::1": false, "[": false, "\x20localhost": false, ".": false,
		":": false, ":80": false, "": false,
	} {
		why := g.Check(&webguard.Request{Method: "GET", Host: host, Local: tcp("10.0.0.5")})
		if (why == nil) != want {
			t.Errorf("Host %q: %v, want it to pass: %t", host, why, want)
		}
	}
	if why := g.Check(&webguard.Request{Method: "GET", NoHost: true}); why != nil {
		t.Errorf("HTTP/1.0 without a Host: %v", why)
	}
}

func TestOrigins(t *testing.T) {
	g, err := webguard.New(webguard.Config{Listen: "127.0.0.1:8001", Origins: []string{"https://ui.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, origin, site string
		tls, want          bool
	}{
		{host: "localhost:8001", want: true},
		{host: "localhost:8001", origin: "http://localhost:8001", site: "same-origin", want: true},
		{host: "localhost:8001", origin: "https://localhost:8001", want: true}, // a proxy before it speaks TLS
		{host: "localhost:8001", origin: "http://localhost:8001", tls: true},
		{host: "localhost", origin: "http://localhost", want: true},
		{host: "localhost:80", origin: "http://localhost", want: true},
		{host: "localhost", origin: "https://localhost:443", tls: true, want: true},
		{host: "localhost:8001", origin: "http://localhost"},
		{host: "localhost:8001", origin: "http://localhost:3000", site: "same-site"},
		{host: "localhost:8001", origin: "http://127.0.0.1:8001"},
		{host: "localhost:8001", origin: "http://localhost:8001.evil.example"},
		{host: "localhost:8001", origin: "http://localhost:8001@evil.example"},
		{host: "localhost:8001", origin: "file://localhost:8001"},
		{host: "localhost:8001", origin: "localhost:8001"},
		{host: "localhost:8001", origin: "null"},
		{host: "localhost:8001", origin: "https://ui.example", site: "cross-site", want: true},
		{host: "localhost:8001", origin: "HTTPS://UI.example", site: "cross-site", want: true},
		{host: "localhost:8001", origin: "http://ui.example", site: "cross-site"},
		{host: "localhost:8001", origin: "https://ui.example:8443", site: "cross-site"},
		{host: "localhost:8001", site: "cross-site"},
		{host: "localhost:8001", site: "same-site"},
		{host: "localhost:8001", site: "nonsense"},
		{host: "localhost:8001", site: "none", want: true},
	} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "get", "FOO", "GET", "HEAD", "OPTIONS"} {
			r := &webguard.Request{Method: method, Host: tt.host, TLS: tt.tls}
			if tt.origin != "" {
				r.Origins = []string{tt.origin}
			}
			if tt.site != "" {
				r.Sites = []string{tt.site}
			}
			looks := method == "GET" || method == "HEAD" || method == "OPTIONS"
			if why := g.Check(r); (why == nil) != (tt.want || looks) {
				t.Errorf("%s %+v: %v", method, tt, why)
			}
			r.Costly = true
			if why := g.Check(r); (why == nil) != tt.want {
				t.Errorf("%s %+v, costly: %v", method, tt, why)
			}
		}
	}
}

func TestEntriesAreChecked(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "a.b-c.d": true, "10.0.0.1": true, "::1": true, "[::1]": true, "": false, "a:80": false, "http://a": false,
		"*": false, "a b": false, "[::1]:80": false,
	} {
		if err := webguard.CheckHost(host); (err == nil) != want {
			t.Errorf("host %q: %v", host, err)
		}
	}
	for origin, want := range map[string]bool{
		"https://a.example": true, "http://localhost:3000": true, "https://A.example": true, "*": false, "null": false, "a.example": false,
		"https://a.example/": false, "https://a.example/x": false, "https://u@a.example": false, "ftp://a": false, "": false,
	} {
		if err := webguard.CheckOrigin(origin); (err == nil) != want {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
}

// serve runs a guarded server with short limits.
func serve(t *testing.T, l webguard.Limits, h http.HandlerFunc) string {
	t.Helper()
	g, err := webguard.New(webguard.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	server := webguard.NewServer(g.Wrap(h), l)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

func TestServer(t *testing.T) {
	limits := webguard.Limits{Read: 300 * time.Millisecond, Write: 300 * time.Millisecond}
	url := serve(t, limits, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "late", http.StatusRequestTimeout)
		}
	})
	guardtest.Refuses(t, "POST", url)
	guardtest.Refuses(t, "GET", url)
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: localhost\r\n", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
		"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
		"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\nx",
	} {
		guardtest.EndsIn(t, url, text, 10*time.Second)
	}
}

// A handler may take longer than a request may, if there is nothing to read; and
// an answer longer than the limit, if it asks for it.
func TestLongAnswers(t *testing.T) {
	limits := webguard.Limits{Read: 100 * time.Millisecond, Write: 100 * time.Millisecond}
	url := serve(t, limits, func(w http.ResponseWriter, r *http.Request) {
		webguard.Extend(w, 0)
		select {
		case <-r.Context().Done(): // a read that ran into its deadline
		case <-time.After(400 * time.Millisecond):
			_, _ = io.WriteString(w, "all of it")
		}
	})
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); string(body) != "all of it" {
		t.Errorf("%q, %v", body, err)
	}
}

// A slow reader ends with the limit of answers.
func TestSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	url := serve(t, webguard.Limits{Write: 200 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(block); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	})
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("64 MiB went to a reader that reads nothing")
		}
	case <-time.After(20 * time.Second):
		t.Error("a reader that reads nothing holds its handler")
	}
}

func TestPaceBody(t *testing.T) {
	read := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		webguard.PaceBody(w, r, 200*time.Millisecond)
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	}))
	defer srv.Close()
	guardtest.EndsIn(t, srv.URL, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", 10*time.Second)
	if err := <-read; err == nil {
		t.Error("a body that stops was read to its end")
	}
}
