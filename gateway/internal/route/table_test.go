package route

import (
	"strconv"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func mustTable(tb testing.TB, routes ...*entity.Route) *Table {
	tb.Helper()
	table, err := New(routes)
	if err != nil {
		tb.Fatal(err)
	}
	return table
}

// headerFunc makes a Header function of pairs.
func headerFunc(h map[string][]string) func(string) []string {
	return func(name string) []string { return h[name] }
}

func TestMatch(t *testing.T) {
	type routes = []*entity.Route
	for _, c := range []struct {
		name   string
		routes routes
		req    Request
		want   string // route id, "" for none
	}{
		{name: "a prefix matches its own path", routes: routes{{ID: "a", Paths: []string{"/a"}}}, req: Request{Path: "/a"}, want: "a"},
		{name: "a prefix needs no slash after it", routes: routes{{ID: "a", Paths: []string{"/a"}}}, req: Request{Path: "/abc"}, want: "a"},
		{name: "a shorter path is no match", routes: routes{{ID: "a", Paths: []string{"/abc"}}}, req: Request{Path: "/ab"}},
		{name: "the empty table has no match", req: Request{Path: "/"}},
		{name: "the longer prefix wins", routes: routes{{ID: "a", Paths: []string{"/a"}}, {ID: "b", Paths: []string{"/a/b"}}},
			req: Request{Path: "/a/b/c"}, want: "b"},
		{name: "each path has its own length",
			routes: routes{{ID: "a", Paths: []string{"/aaaaaa", "/x"}}, {ID: "b", Paths: []string{"/x/y"}}},
			req:    Request{Path: "/x/y"}, want: "b"},
		{name: "route paths are normalised", routes: routes{{ID: "a", Paths: []string{"/a%20b//c"}}}, req: Request{Path: "/a b/c"},
			want: "a"},
		{name: "the older of two equals wins",
			routes: routes{{ID: "a", Paths: []string{"/x"}, CreatedAt: 2}, {ID: "b", Paths: []string{"/x"}, CreatedAt: 1}},
			req:    Request{Path: "/x"}, want: "b"},
		{name: "equal age: the lower id, on every replica",
			routes: routes{{ID: "b", Paths: []string{"/x"}}, {ID: "a", Paths: []string{"/x"}}}, req: Request{Path: "/x"}, want: "a"},

		{name: "a regular expression goes before a longer prefix",
			routes: routes{{ID: "p", Paths: []string{"/user/longer"}}, {ID: "r", Paths: []string{"~/user/\\w+"}}},
			req:    Request{Path: "/user/longer"}, want: "r"},
		{name: "and is tied to the beginning", routes: routes{{ID: "r", Paths: []string{"~/b"}}}, req: Request{Path: "/a/b"}},
		{name: "every alternative of it is", routes: routes{{ID: "r", Paths: []string{"~/x|/b"}}}, req: Request{Path: "/a/b"}},
		{name: "higher regex_priority wins",
			routes: routes{{ID: "a", Paths: []string{"~/\\d+"}}, {ID: "b", Paths: []string{"~/\\d"}, RegexPriority: 1, CreatedAt: 9}},
			req:    Request{Path: "/12"}, want: "b"},
		{name: "among equals the older expression",
			routes: routes{{ID: "a", Paths: []string{"~/\\d+"}, CreatedAt: 2}, {ID: "b", Paths: []string{"~/\\d"}, CreatedAt: 1}},
			req:    Request{Path: "/12"}, want: "b"},
		{name: "regex_priority means nothing to prefixes",
			routes: routes{{ID: "a", Paths: []string{"/x"}, RegexPriority: 9}, {ID: "b", Paths: []string{"/x/y"}}},
			req:    Request{Path: "/x/y"}, want: "b"},
		{name: "look-ahead works", routes: routes{{ID: "r", Paths: []string{"~/a(?!b)"}}, {ID: "p", Paths: []string{"/"}}},
			req: Request{Path: "/ab"}, want: "p"},
		{name: "look-ahead matches", routes: routes{{ID: "r", Paths: []string{"~/a(?!b)"}}, {ID: "p", Paths: []string{"/"}}},
			req: Request{Path: "/ac"}, want: "r"},
		{name: "regex beats more headers",
			routes: routes{{ID: "h", Paths: []string{"/a"}, Headers: map[string][]string{"x": {"1"}, "y": {"1"}}},
				{ID: "r", Paths: []string{"~/a"}, Headers: map[string][]string{"x": {"1"}}}},
			req: Request{Path: "/a", Header: headerFunc(map[string][]string{"x": {"1"}, "y": {"1"}})}, want: "r"},

		{name: "more kinds of criteria win",
			routes: routes{{ID: "p", Paths: []string{"/long/path"}}, {ID: "m", Paths: []string{"/"}, Methods: []string{"GET"}}},
			req:    Request{Method: "GET", Path: "/long/path"}, want: "m"},
		{name: "but not when one is unmet",
			routes: routes{{ID: "p", Paths: []string{"/long/path"}}, {ID: "m", Paths: []string{"/"}, Methods: []string{"POST"}}},
			req:    Request{Method: "GET", Path: "/long/path"}, want: "p"},
		{name: "host over headers",
			routes: routes{{ID: "h", Headers: map[string][]string{"x": {"1"}}}, {ID: "o", Hosts: []string{"a.com"}}},
			req:    Request{Host: "a.com", Path: "/", Header: headerFunc(map[string][]string{"x": {"1"}})}, want: "o"},
		{name: "headers over paths", routes: routes{{ID: "p", Paths: []string{"/a"}}, {ID: "h", Headers: map[string][]string{"x": {"1"}}}},
			req: Request{Path: "/a", Header: headerFunc(map[string][]string{"x": {"1"}})}, want: "h"},
		{name: "paths over methods", routes: routes{{ID: "m", Methods: []string{"GET"}}, {ID: "p", Paths: []string{"/"}}},
			req: Request{Method: "GET", Path: "/"}, want: "p"},
		{name: "methods over SNIs", routes: routes{{ID: "s", SNIs: []string{"a.com"}}, {ID: "m", Methods: []string{"GET"}}},
			req: Request{Method: "GET", Path: "/", Scheme: "https", SNI: "a.com"}, want: "m"},
		{name: "host and path beat three lesser kinds only by count",
			routes: routes{{ID: "2", Hosts: []string{"a.com"}, Paths: []string{"/"}},
				{ID: "3", Paths: []string{"/"}, Methods: []string{"GET"}, Headers: map[string][]string{"x": {"1"}}}},
			req: Request{Method: "GET", Host: "a.com", Path: "/", Header: headerFunc(map[string][]string{"x": {"1"}})}, want: "3"},

		{name: "hosts are compared without case", routes: routes{{ID: "a", Hosts: []string{"A.com"}}},
			req: Request{Host: "a.COM", Path: "/"}, want: "a"},
		{name: "a host without a port takes any port", routes: routes{{ID: "a", Hosts: []string{"a.com"}}},
			req: Request{Host: "a.com:8000", Path: "/"}, want: "a"},
		{name: "a host with a port takes that one", routes: routes{{ID: "a", Hosts: []string{"a.com:8000"}}},
			req: Request{Host: "a.com:8001", Path: "/"}},
		{name: "the scheme's port is understood", routes: routes{{ID: "a", Hosts: []string{"a.com:443"}}},
			req: Request{Host: "a.com", Scheme: "https", Path: "/"}, want: "a"},
		{name: "and 443 is not http's", routes: routes{{ID: "a", Hosts: []string{"a.com:443"}}},
			req: Request{Host: "a.com", Scheme: "http", Path: "/"}},
		{name: "a host with a port wins",
			routes: routes{{ID: "a", Hosts: []string{"a.com"}}, {ID: "b", Hosts: []string{"a.com:80"}, CreatedAt: 5}},
			req:    Request{Host: "a.com:80", Path: "/"}, want: "b"},
		{name: "an IPv6 host", routes: routes{{ID: "a", Hosts: []string{"[::1]:8000"}}}, req: Request{Host: "[::1]:8000", Path: "/"},
			want: "a"},
		{name: "a host that is not one", routes: routes{{ID: "a", Hosts: []string{"a.com"}}}, req: Request{Host: "[a.com:b", Path: "/"}},
		{name: "a left wildcard takes any depth", routes: routes{{ID: "w", Hosts: []string{"*.a.com"}}},
			req: Request{Host: "x.y.a.com:99", Path: "/"}, want: "w"},
		{name: "but not nothing", routes: routes{{ID: "w", Hosts: []string{"*.a.com"}}}, req: Request{Host: "a.com", Path: "/"}},
		{name: "a left wildcard with a port", routes: routes{{ID: "w", Hosts: []string{"*.a.com:80"}}},
			req: Request{Host: "x.a.com", Path: "/"}, want: "w"},
		{name: "and with another one", routes: routes{{ID: "w", Hosts: []string{"*.a.com:80"}}},
			req: Request{Host: "x.a.com:81", Path: "/"}},
		{name: "a right wildcard", routes: routes{{ID: "w", Hosts: []string{"a.*"}}}, req: Request{Host: "a.co.uk", Path: "/"}, want: "w"},
		{name: "a right wildcard is tied to the beginning", routes: routes{{ID: "w", Hosts: []string{"a.*"}}},
			req: Request{Host: "xa.com", Path: "/"}},
		{name: "a right wildcard with a port", routes: routes{{ID: "w", Hosts: []string{"a.*:81"}}},
			req: Request{Host: "a.com:81", Path: "/"}, want: "w"},
		{name: "plain before wildcard, whatever the path",
			routes: routes{{ID: "w", Hosts: []string{"*.a.com"}, Paths: []string{"/long"}},
				{ID: "p", Hosts: []string{"x.a.com"}, Paths: []string{"/"}}},
			req: Request{Host: "x.a.com", Path: "/long"}, want: "p"},
		{name: "a wildcard beside it makes a host a wildcard's equal",
			routes: routes{{ID: "m", Hosts: []string{"x.a.com", "*.b.com"}, Paths: []string{"/long"}},
				{ID: "p", Hosts: []string{"x.a.com"}, Paths: []string{"/"}}},
			req: Request{Host: "x.a.com", Path: "/long"}, want: "p"},
		{name: "a wildcard with a port before one without",
			routes: routes{{ID: "w", Hosts: []string{"*.a.com"}}, {ID: "p", Hosts: []string{"*.a.com:80"}, CreatedAt: 9}},
			req:    Request{Host: "x.a.com", Path: "/"}, want: "p"},

		{name: "any value of a header will do, without case",
			routes: routes{{ID: "h", Headers: map[string][]string{"X-V": {"One", "two"}}}},
			req:    Request{Path: "/", Header: headerFunc(map[string][]string{"x-v": {"zero", "TWO"}})}, want: "h"},
		{name: "all headers must match", routes: routes{{ID: "h", Headers: map[string][]string{"x": {"1"}, "y": {"1"}}}},
			req: Request{Path: "/", Header: headerFunc(map[string][]string{"x": {"1"}})}},
		{name: "more headers win",
			routes: routes{{ID: "1", Headers: map[string][]string{"x": {"1"}}},
				{ID: "2", Headers: map[string][]string{"x": {"1"}, "y": {"1"}}, CreatedAt: 5}},
			req: Request{Path: "/", Header: headerFunc(map[string][]string{"x": {"1"}, "y": {"1"}})}, want: "2"},
		{name: "a lone ~* value is an expression", routes: routes{{ID: "h", Headers: map[string][]string{"x": {"~*v[0-9]$"}}}},
			req: Request{Path: "/", Header: headerFunc(map[string][]string{"x": {"AV7"}})}, want: "h"},
		{name: "with other values beside it, it is text", routes: routes{{ID: "h", Headers: map[string][]string{"x": {"~*v[0-9]$", "b"}}}},
			req: Request{Path: "/", Header: headerFunc(map[string][]string{"x": {"av7"}})}},
		{name: "no headers, no match", routes: routes{{ID: "h", Headers: map[string][]string{"x": {"1"}}}}, req: Request{Path: "/"}},

		{name: "an SNI criterion over https", routes: routes{{ID: "s", SNIs: []string{"a.com."}}},
			req: Request{Path: "/", Scheme: "https", SNI: "A.com"}, want: "s"},
		{name: "another SNI", routes: routes{{ID: "s", SNIs: []string{"a.com"}}}, req: Request{Path: "/", Scheme: "https", SNI: "b.com"}},
		{name: "methods are compared as they are", routes: routes{{ID: "m", Methods: []string{"get"}}},
			req: Request{Method: "get", Path: "/"}},
		{name: "stream routes take no part", routes: routes{{ID: "t", Protocols: []string{"tcp"}}, {ID: "p", Paths: []string{"/"}}},
			req: Request{Path: "/"}, want: "p"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.req.Scheme == "" {
				c.req.Scheme = "http"
			}
			got := ""
			if m, ok := mustTable(t, c.routes...).Match(&c.req); ok {
				got = m.Route.ID
				if c.routes[m.Index] != m.Route {
					t.Errorf("index %d is not the route", m.Index)
				}
			}
			if got != c.want {
				t.Errorf("matched %q, want %q", got, c.want)
			}
		})
	}
}

func TestHTTPSOnlyRoutesAskForAnUpgrade(t *testing.T) {
	for _, c := range []struct {
		name      string
		protocols []string
		status    int
		scheme    string
		want      int
	}{
		{name: "http on a https route", protocols: []string{"https"}, status: 426, scheme: "http", want: 426},
		{name: "a redirect instead", protocols: []string{"https"}, status: 301, scheme: "http", want: 301},
		{name: "426 where nothing is set", protocols: []string{"grpcs"}, scheme: "http", want: 426},
		{name: "https is fine", protocols: []string{"https"}, status: 426, scheme: "https"},
		{name: "a http route takes https too", protocols: []string{"http"}, status: 426, scheme: "https"},
		{name: "both", protocols: []string{"http", "https"}, status: 426, scheme: "http"},
	} {
		table := mustTable(t, &entity.Route{Paths: []string{"/"}, SNIs: []string{"a.com"}, Protocols: c.protocols,
			HTTPSRedirectStatusCode: c.status})
		m, ok := table.Match(&Request{Path: "/", Scheme: c.scheme, SNI: "a.com"})
		if !ok || m.UpgradeStatus != c.want {
			t.Errorf("%s: %d (match %t), want %d", c.name, m.UpgradeStatus, ok, c.want)
		}
	}
}

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	for _, c := range []struct {
		route entity.Route
		want  string
	}{
		{entity.Route{Name: "bare"}, "route bare: needs at least one of hosts, headers, paths, methods, snis"},
		{entity.Route{ID: "7", Paths: []string{"~/("}}, `route 7: path "~/(": error parsing regexp`},
		{entity.Route{ID: "7", Paths: []string{"a"}}, `route 7: path "a": should start with /`},
		{entity.Route{ID: "7", Hosts: []string{"a.*.com"}}, `route 7: host "a.*.com": the wildcard must be the leftmost or rightmost label`},
		{entity.Route{ID: "7", Hosts: []string{"*.a.*"}}, `route 7: host "*.a.*": only one wildcard is allowed`},
		{entity.Route{ID: "7", Hosts: []string{":80"}}, `route 7: host ":80": the name is empty`},
		{entity.Route{ID: "7", Headers: map[string][]string{"x": {"~*("}}}, `route 7: header "x": error parsing regexp`},
	} {
		_, err := New([]*entity.Route{&c.route})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s...", err, c.want)
		}
	}
}

// A request whose expressions take too long gets no route at all: not one
// that stands behind the one that could not be ruled out.
func TestWhatCannotBeEvaluatedFindsNoRoute(t *testing.T) {
	rest := &entity.Route{ID: "rest", Paths: []string{"/"}}
	long := "/" + strings.Repeat("a", 60) + "b"
	header := func(string) []string { return []string{strings.Repeat("a", 60) + "b"} }
	for say, evil := range map[string]*entity.Route{
		"path":            {ID: "evil", Paths: []string{`~/(?=a)(a+)+$`}},
		"header":          {ID: "evil", Paths: []string{"/"}, Headers: map[string][]string{"x": {"~*(?=a)(a+)+$"}}},
		"both":            {ID: "evil", Paths: []string{`~/(?=a)(a+)+$`}, Headers: map[string][]string{"x": {"~*(?=a)(a+)+$"}}},
		"RE2, many times": {ID: "evil", Paths: []string{"~/(?:.{300}x){3}z"}},
	} {
		table := mustTable(t, evil, rest)
		req := &Request{Path: long, Header: header}
		if say == "RE2, many times" {
			req.Path = "/" + strings.Repeat("a", 4000)
		}
		if m, ok := table.Match(req); ok || !req.Exhausted() {
			t.Errorf("%s: matched %+v", say, m)
		}
		req = &Request{Path: "/b", Header: func(string) []string { return nil }}
		if m, ok := table.Match(req); !ok || m.Route.ID != "rest" || req.Exhausted() {
			t.Errorf("%s: a short one matched %+v, %t", say, m, ok)
		}
	}
}

// All expressions that a request asks share one bound.
func TestManyExpressionsShareTheBound(t *testing.T) {
	routes := make([]*entity.Route, 0, 2001)
	for i := range 2000 {
		routes = append(routes, &entity.Route{ID: strconv.Itoa(i), Paths: []string{`~/(?!private).*(?:.*)` + strconv.Itoa(i) + `z$`}})
	}
	table := mustTable(t, append(routes, &entity.Route{ID: "rest", Paths: []string{"/"}})...)
	req := &Request{Path: "/" + strings.Repeat("a", 100)}
	if m, ok := table.Match(req); ok || !req.Exhausted() {
		t.Errorf("matched %+v", m)
	}
	if m, ok := table.Match(&Request{Path: "/a"}); !ok || m.Route.ID != "rest" {
		t.Errorf("a short path matched %+v, %t", m, ok)
	}
}

// Bytes that are not UTF-8 must not shift what a pattern took.
func TestPatternsTakeBytes(t *testing.T) {
	table := mustTable(t, &entity.Route{ID: "r", Paths: []string{`~/..(?=c)`}})
	m, ok := table.Match(&Request{Path: "/\xff\u00e9cd"})
	if !ok || m.Prefix != "/\xff\u00e9" {
		t.Errorf("prefix %q, match %t", m.Prefix, ok)
	}
}
