package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// ring is a configuration of one upstream over four origins that answer with
// their number.
func ring(t *testing.T, u entity.Upstream, route entity.Route) *entity.Config {
	t.Helper()
	c := config("http://ring.up:80", route)
	u.ID = "u"
	u.Name = "ring.up"
	u.Algorithm = "consistent-hashing"
	c.Upstreams = []entity.Upstream{u}
	for i := range 4 {
		origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strconv.Itoa(i)) }))
		t.Cleanup(origin.Close)
		c.Targets = append(c.Targets, entity.Target{Target: strings.TrimPrefix(origin.URL, "http://"), Weight: 100,
			Upstream: entity.Ref{ID: "u"}})
	}
	return c
}

// spread is how many targets requests reach.
func spread(t *testing.T, ask func(i int) string) int {
	t.Helper()
	seen := map[string]bool{}
	for i := range 40 {
		seen[ask(i)] = true
	}
	return len(seen)
}

func TestRequestsAreHashedAsTheUpstreamSays(t *testing.T) {
	number := strconv.Itoa
	for _, c := range []struct {
		name  string
		up    entity.Upstream
		route string
		same  func(i int) (path string, header []string) // all to one target
		other func(i int) (path string, header []string) // to several
	}{
		{name: "a header", up: entity.Upstream{HashOn: "header", HashOnHeader: "X-User"}, route: "/",
			same:  func(i int) (string, []string) { return "/" + number(i), []string{"X-User", "anna"} },
			other: func(i int) (string, []string) { return "/", []string{"X-User", number(i)} }},
		{name: "an argument", up: entity.Upstream{HashOn: "query_arg", HashOnQueryArg: "user"}, route: "/",
			same:  func(i int) (string, []string) { return "/?n=" + number(i) + "&user=anna", nil },
			other: func(i int) (string, []string) { return "/?user=" + number(i), nil }},
		{name: "the path", up: entity.Upstream{HashOn: "path"}, route: "/",
			same:  func(i int) (string, []string) { return "/same?n=" + number(i), nil },
			other: func(i int) (string, []string) { return "/" + number(i), nil }},
		{name: "a part of the path", up: entity.Upstream{HashOn: "uri_capture", HashOnURICapture: "user"}, route: `~/u/(?<user>\w+)`,
			same:  func(i int) (string, []string) { return "/u/anna/" + number(i), nil },
			other: func(i int) (string, []string) { return "/u/" + number(i), nil }},
		{name: "a part of the path that only the other engine takes", up: entity.Upstream{HashOn: "uri_capture", HashOnURICapture: "user"},
			route: `~/u/(?!x)(?<user>\w+)`,
			same:  func(i int) (string, []string) { return "/u/anna/" + number(i), nil },
			other: func(i int) (string, []string) { return "/u/" + number(i), nil }},
		{name: "the fallback, where the header is missing",
			up:    entity.Upstream{HashOn: "header", HashOnHeader: "X-User", HashFallback: "query_arg", HashFallbackQueryArg: "user"},
			route: "/",
			same:  func(i int) (string, []string) { return "/" + number(i) + "?user=anna", nil },
			other: func(i int) (string, []string) { return "/?user=" + number(i), nil }},
		{name: "nothing that it has: anywhere", up: entity.Upstream{HashOn: "header", HashOnHeader: "X-User", HashFallback: "none"},
			route: "/",
			other: func(int) (string, []string) { return "/", nil }},
		{name: "the client's address", up: entity.Upstream{HashOn: "ip"}, route: "/",
			same: func(i int) (string, []string) { return "/" + number(i), nil }},
		{name: "a consumer, which the request has none of, then the address", up: entity.Upstream{HashOn: "consumer", HashFallback: "ip"},
			route: "/",
			same:  func(i int) (string, []string) { return "/" + number(i), nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := start(t, Config{}, 8)
			g.apply(t, ring(t, c.up, entity.Route{Paths: []string{c.route}}))
			for want, ask := range map[bool]func(int) (string, []string){true: c.same, false: c.other} {
				if ask == nil {
					continue
				}
				n := spread(t, func(i int) string {
					path, header := ask(i)
					res, body := get(t, g.url+path, header...)
					if res.StatusCode != 200 {
						t.Fatalf("%s: %d %s", path, res.StatusCode, body)
					}
					return body
				})
				if want != (n == 1) {
					t.Errorf("reached %d targets; all the same should be %v", n, want)
				}
			}
		})
	}
}

func TestAClientWithoutTheCookieGetsOne(t *testing.T) {
	g := start(t, Config{}, 8)
	g.apply(t, ring(t, entity.Upstream{HashOn: "cookie", HashOnCookie: "sticky", HashOnCookiePath: "/ai"}, entity.Route{Paths: []string{"/"}}))
	seen := map[string]bool{}
	for range 20 {
		res, first := get(t, g.url+"/ai")
		cookies := res.Cookies()
		if len(cookies) != 1 || cookies[0].Name != "sticky" || cookies[0].Path != "/ai" || cookies[0].Value == "" {
			t.Fatalf("cookies: %v", cookies)
		}
		seen[first] = true
		res, again := get(t, g.url+"/ai", "Cookie", "sticky="+cookies[0].Value)
		if again != first || len(res.Cookies()) != 0 {
			t.Errorf("first %s, with its cookie %s and %v", first, again, res.Cookies())
		}
	}
	if len(seen) < 2 {
		t.Error("all new clients reach the same target")
	}
}
