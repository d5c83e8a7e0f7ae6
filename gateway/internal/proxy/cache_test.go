package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// startCached is start with a cache. The test's requests must be over when it
// ends: the store is closed first, for the check on goroutines to pass.
func startCached(t *testing.T, c Config) *gateway {
	t.Helper()
	store, err := cache.New(cache.Config{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, c, 4)
	t.Cleanup(func() { _ = store.Close() })
	g.deps.Cache = store
	return g
}

func proxyCachePlugin(settings map[string]any) entity.Plugin {
	return entity.Plugin{ID: "cache", Name: "proxy-cache", Enabled: true, Config: settings}
}

func TestARevalidatedAnswerHasItsBody(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Cache-Control", "max-age=60")
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"a":1}`)
	}))
	defer origin.Close()
	g := startCached(t, Config{})
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, proxyCachePlugin(map[string]any{"cache_control": true})))
	get(t, g.url+"/")
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	br := bufio.NewReader(c)
	// The second answer would be taken for the first one's body.
	for range 2 {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCache-Control: max-age=0\r\n\r\n")
	}
	for range 2 {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || string(body) != `{"a":1}` || res.Header.Get("X-Cache-Status") != "Refresh" {
			t.Errorf("got %d %q, X-Cache-Status %q: %v", res.StatusCode, body, res.Header.Get("X-Cache-Status"), err)
		}
	}
}

// The answer names what the origin was asked and told.
func echoing(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "%s %s://%s %s", r.URL, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Host"), body)
}

func TestOneClientCannotChooseWhatAnotherIsAnswered(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(echoing))
	defer origin.Close()
	g := startCached(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, proxyCachePlugin(nil)))
	const end = "Connection: close\r\n\r\n"
	for _, request := range []struct{ sent, want string }{
		{"GET /?id=5#x HTTP/1.1\r\nHost: a\r\n" + end, "/?id=5 http://a "},
		{"GET /?id=5 HTTP/1.1\r\nHost: b\r\n" + end, "/?id=5 http://b "},
		{"GET /?id=5 HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n" + end, "/?id=5 https://a "},
		{"GET /?id=5 HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: c\r\n" + end, "/?id=5 http://c "},
		{"GET /?q=100% HTTP/1.1\r\nHost: a\r\n" + end, "/?q=100% http://a "},
		{"GET /?q=100%25 HTTP/1.1\r\nHost: a\r\n" + end, "/?q=100%25 http://a "},
		{"GET /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\none", "/b http://a one"},
		{"GET /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\ntwo\r\n0\r\n\r\n", "/b http://a two"},
		{"GET /b HTTP/1.1\r\nHost: a\r\n" + end, "/b http://a "},
	} {
		if answer := g.say(t, request.sent); !strings.HasSuffix(answer, "\r\n\r\n"+request.want) {
			t.Errorf("to %q came %q", request.sent, answer)
		}
	}
	if answer := g.say(t, "GET /b HTTP/1.1\r\nHost: a\r\n"+end); !strings.Contains(answer, "X-Cache-Status: Hit") {
		t.Errorf("a request without a body is not answered from the cache: %q", answer)
	}
}
