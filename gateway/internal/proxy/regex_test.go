package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// TestARequestCannotBurnACore sends what makes a backtracking engine try every
// way there is: to a route's path, to a header of it, and to a hundred routes at
// once. The request is refused when it has used its steps up (how many is tested
// in package regex), and never passed on to a route that stands behind.
func TestARequestCannotBurnACore(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.URL.Path) }))
	t.Cleanup(origin.Close)
	g := start(t, Config{}, 4)
	long := strings.Repeat("a", 64) + "!"
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf(`~/many/(?!private)(?:\w+\w*)+%dz$`, i)
	}
	for _, c := range []struct {
		name, path string
		paths      []string
		headers    map[string][]string
	}{
		{name: "a path", path: "/re2/" + long, paths: []string{`~/re2/(?=a)(a+)+b$`}},
		{name: "a header", path: "/x", paths: []string{"/x"}, headers: map[string][]string{"x-agent": {"~*(?=a)(a+)+b$"}}},
		{name: "a hundred paths", path: "/many/" + long, paths: many},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(origin.URL, entity.Route{Paths: c.paths, Headers: c.headers})
			cfg.Routes = append(cfg.Routes, &entity.Route{ID: "rest", Protocols: []string{"http"}, Paths: []string{"/"},
				Service: &entity.Ref{ID: "s1"}})
			g.apply(t, cfg)
			res, body := get(t, g.url+c.path, "X-Agent", long)
			if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "take too long") {
				t.Errorf("status %d: %s", res.StatusCode, body)
			}
			if res, body := get(t, g.url+"/other", "X-Agent", "b"); res.StatusCode != http.StatusOK || body != "/other" {
				t.Errorf("another request: %d %s", res.StatusCode, body)
			}
		})
	}
}
