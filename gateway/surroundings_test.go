package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatelab/gateway/internal/cache"
)

// fakeCache is the cache as the purge endpoints see it.
type fakeCache struct {
	has    map[cache.Key]*cache.Entry
	broken error
	all    int
}

func (f *fakeCache) Lookup(_ context.Context, k cache.Key) *cache.Entry { return f.has[k] }

func (f *fakeCache) Purge(_ context.Context, k cache.Key) (bool, error) {
	_, ok := f.has[k]
	delete(f.has, k)
	return ok, f.broken
}

func (f *fakeCache) PurgeAll(context.Context) error { f.all++; return f.broken }

func TestProxyCacheEndpoints(t *testing.T) {
	key := cache.Key{1, 2, 3}
	f := &fakeCache{has: map[cache.Key]*cache.Entry{key: {Status: 200, Body: []byte("secret body"), Generated: time.Unix(1700000000, 0), FreshUntil: time.Unix(1700000300, 0)}}}
	admin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("admin " + r.URL.Path)) })
	h := withProxyCache(admin, f, slog.New(slog.DiscardHandler))
	k := key.String()
	for _, step := range []struct {
		about, method, path string
		broken              error
		status              int
		body                string
	}{
		{"the rest is the Admin API's", "GET", "/services", nil, 200, "admin /services"},
		{"an entry is shown", "GET", "/proxy-cache/" + k, nil, 200, `"ttl":300`},
		{"also under a plugin's id", "GET", "/proxy-cache/some-id/caches/" + k, nil, 200, `"body_len":11`},
		{"what is no key is not found", "GET", "/proxy-cache/nope", nil, 404, "Not found"},
		{"a purge", "DELETE", "/proxy-cache/" + k, nil, 204, ""},
		{"a second finds nothing", "DELETE", "/proxy-cache/" + k, nil, 404, "Not found"},
		{"of everything", "DELETE", "/proxy-cache", nil, 204, ""},
		{"with a slash", "DELETE", "/proxy-cache/", nil, 204, ""},
		{"that does not reach Redis is no success", "DELETE", "/proxy-cache", errors.New("down"), 502, "this replica only"},
	} {
		t.Run(step.about, func(t *testing.T) {
			f.broken = step.broken
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(step.method, step.path, nil))
			if w.Code != step.status || !strings.Contains(w.Body.String(), step.body) || strings.Contains(w.Body.String(), "secret body") {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, step.status, step.body)
			}
		})
	}
	if f.all != 3 {
		t.Errorf("everything was purged %d times, want 3", f.all)
	}
}

func TestReadinessIsNotLiveness(t *testing.T) {
	configured := false
	h := &health{configured: func() bool { return configured }}
	handler := statusHandler(h, prometheus.NewRegistry())
	is := func(about, path string, want int) {
		t.Helper()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %s answers %d %s, want %d", about, path, w.Code, w.Body, want)
		}
	}
	is("before a configuration", "/health/live", 200)
	is("before a configuration", "/health/ready", 503)
	configured = true
	is("with one", "/health/ready", 200)
	is("with one", "/metrics", 200)
	h.draining.Store(true)
	is("while draining", "/health/ready", 503)
	is("while draining", "/health/live", 200)
}

func TestContainerMemory(t *testing.T) {
	for _, tt := range []struct {
		about, file, text string
		want              int64
	}{
		{"cgroup v2", "sys/fs/cgroup/memory.max", "268435456\n", 256 << 20},
		{"cgroup v2 without a limit", "sys/fs/cgroup/memory.max", "max\n", 0},
		{"cgroup v1", "sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n", 256 << 20},
		{"cgroup v1 without a limit", "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", 0},
		{"none", "elsewhere", "1", 0},
	} {
		t.Run(tt.about, func(t *testing.T) {
			root := t.TempDir() + "/"
			if err := os.MkdirAll(filepath.Dir(root+tt.file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+tt.file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := containerMemory(root); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestTune(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	root := t.TempDir() + "/"
	if err := os.MkdirAll(root+"sys/fs/cgroup", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"sys/fs/cgroup/memory.max", []byte("1000000000"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _, err := load([]string{"--gc-percent=300", "--gc-floor=40MiB"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := tune(&s, func(string) bool { return true }, root)
	if p := debug.SetGCPercent(100); p != 300 {
		t.Errorf("gc percent is %d, want 300", p)
	}
	if l := debug.SetMemoryLimit(-1); l != 900_000_000+10<<20 {
		t.Errorf("memory limit is %d, want nine tenths and the floor", l)
	}
	if len(got.floor) != 10<<20 {
		t.Errorf("floor of %d bytes: with 300 percent on top it does not make 40 MiB", len(got.floor))
	}
	runtime.KeepAlive(got.floor)

	t.Setenv("GOGC", "50")
	tune(&s, func(string) bool { return true }, root)
	if p := debug.SetGCPercent(100); p != 100 {
		t.Errorf("GOGC from the environment was overruled by a default: %d", p)
	}
}
