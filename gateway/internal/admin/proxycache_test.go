package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/cache"
)

// fakeCache is the cache as the purge endpoints see it.
type fakeCache struct {
	has    map[cache.Key]*cache.Entry
	broken error
	all    int
	chosen cache.Selection
}

func (f *fakeCache) Lookup(_ context.Context, k cache.Key) *cache.Entry { return f.has[k] }

func (f *fakeCache) Purge(_ context.Context, k cache.Key) (bool, error) {
	_, ok := f.has[k]
	delete(f.has, k)
	return ok, f.broken
}

func (f *fakeCache) PurgeSelected(_ context.Context, sel cache.Selection) error {
	f.chosen = sel
	return f.broken
}

func (f *fakeCache) PurgeAll(context.Context) error { f.all++; return f.broken }

func TestProxyCacheEndpoints(t *testing.T) {
	key := cache.Key{1, 2, 3}
	f := &fakeCache{has: map[cache.Key]*cache.Entry{key: {
		Status: 200, Body: []byte("secret body"), Generated: time.Unix(1700000000, 0), FreshUntil: time.Unix(1700000300, 0),
	}}}
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("admin " + r.URL.Path)) })
	h := WithProxyCache(api, f, slog.New(slog.DiscardHandler))
	k := key.String()
	for _, step := range []struct {
		name, method, path string
		broken             error
		status             int
		body               string
	}{
		{name: "other paths are the Admin API's", method: "GET", path: "/services", status: 200, body: "admin /services"},
		{name: "an entry is shown", method: "GET", path: "/proxy-cache/" + k, status: 200, body: `"ttl":300`},
		{name: "also under a plugin's id", method: "GET", path: "/proxy-cache/some-id/caches/" + k, status: 200, body: `"body_len":11`},
		{name: "what is no key is not found", method: "GET", path: "/proxy-cache/nope", status: 404, body: "Not found"},
		{name: "a purge", method: "DELETE", path: "/proxy-cache/" + k, status: 204},
		{name: "a second finds nothing", method: "DELETE", path: "/proxy-cache/" + k, status: 404, body: "Not found"},
		{name: "a purge of everything", method: "DELETE", path: "/proxy-cache", status: 204},
		{name: "with a slash", method: "DELETE", path: "/proxy-cache/", status: 204},
		{name: "by tags, a route, a prefix and a key", method: "DELETE", status: 204,
			path: "/proxy-cache?tag=a&tag=b%20c&route=r&prefix=example.com/img/&key=" + k},
		{name: "by what is not known", method: "DELETE", path: "/proxy-cache?tags=a", status: 400, body: "want key, prefix, route or tag"},
		{name: "by nothing", method: "DELETE", path: "/proxy-cache?tag=", status: 400, body: "tag: empty"},
		{name: "by what is no key", method: "DELETE", path: "/proxy-cache?key=12", status: 400, body: "64 hexadecimal digits"},
		{name: "by a query without a parameter", method: "DELETE", path: "/proxy-cache?&", status: 400, body: "no query at all"},
		{name: "by two lines", method: "DELETE", path: "/proxy-cache?tag=a%0Ar:b", status: 400, body: "control characters"},
		{name: "by a URL", method: "DELETE", path: "/proxy-cache?prefix=http://a/", status: 400, body: "without a scheme"},
		{name: "by what is no query", method: "DELETE", path: "/proxy-cache?tag=%zz", status: 400, body: "%zz"},
		{name: "by too much", method: "DELETE", path: "/proxy-cache?tag=a" + strings.Repeat("&tag=a", 1000), status: 400,
			body: "at most 1000"},
		{name: "by a tag, and Redis is not reached", method: "DELETE", path: "/proxy-cache?tag=a", broken: errors.New("down"),
			status: 502, body: "this replica only"},
		{name: "Redis is not reached", method: "DELETE", path: "/proxy-cache", broken: errors.New("down"), status: 502,
			body: "this replica only"},
	} {
		t.Run(step.name, func(t *testing.T) {
			f.broken = step.broken
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(step.method, step.path, nil))
			if w.Code != step.status || !strings.Contains(w.Body.String(), step.body) || strings.Contains(w.Body.String(), "secret body") {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, step.status, step.body)
			}
		})
	}
	if want := (cache.Selection{Tags: []string{"a"}}); !reflect.DeepEqual(f.chosen, want) {
		t.Errorf("the last selection was %+v, want %+v", f.chosen, want)
	}
	if f.all != 3 {
		t.Errorf("everything was purged %d times, want 3", f.all)
	}
}

func TestPrefixesAreNormalised(t *testing.T) {
	for given, want := range map[string]string{
		"/img/": "/img/", "/img": "/img", "h.test/%61b%2fc": "h.test/ab%2Fc", "/caf\u00e9": "/caf%C3%A9", "/caf%c3%a9?x=%61": "/caf%C3%A9?x=%61",
		"h.test": "h.test/", "/.": "/.", "/a/..": "/a/..",
	} {
		if got := normalPrefix(given); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}
