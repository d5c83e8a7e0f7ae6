package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatelab/gateway/internal/cache"
	"gatelab/gateway/internal/entity"
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
