package route

import (
	"strconv"
	"strings"
	"testing"

	"gatelab/gateway/internal/entity"
)

func mustTable(tb testing.TB, routes ...entity.Route) *Table {
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
	type routes = []entity.Route
	for _, c := range []struct {
		why    string
		routes routes
		req    Request
		want   string // route id, "" for none
	}{
		{"a prefix matches its own path", routes{{ID: "a", Paths: []string{"/a"}}}, Request{Path: "/a"}, "a"},
		{"a prefix needs no slash after it", routes{{ID: "a", Paths: []string{"/a"}}}, Request{Path: "/abc"}, "a"},
		{"a shorter path is no match", routes{{ID: "a", Paths: []string{"/abc"}}}, Request{Path: "/ab"}, ""},
		{"the empty table has no match", nil, Request{Path: "/"}, ""},
		{"the longer prefix wins", routes{{ID: "a", Paths: []string{"/a"}}, {ID: "b", Paths: []string{"/a/b"}}}, Request{Path: "/a/b/c"}, "b"},
		{"each path has its own length", routes{{ID: "a", Paths: []string{"/aaaaaa", "/x"}}, {ID: "b", Paths: []string{"/x/y"}}}, Request{Path: "/x/y"}, "b"},
		{"route paths are normalised", routes{{ID: "a", Paths: []string{"/a%20b//c"}}}, Request{Path: "/a b/c"}, "a"},
		{"the older of two equals wins", routes{{ID: "a", Paths: []string{"/x"}, CreatedAt: 2}, {ID: "b", Paths: []string{"/x"}, CreatedAt: 1}}, Request{Path: "/x"}, "b"},
		{"equal age: the lower id, on every replica", routes{{ID: "b", Paths: []string{"/x"}}, {ID: "a", Paths: []string{"/x"}}}, Request{Path: "/x"}, "a"},

		{"a regular expression goes before a longer prefix", routes{{ID: "p", Paths: []string{"/user/longer"}}, {ID: "r", Paths: []string{"~/user/\\w+"}}}, Request{Path: "/user/longer"}, "r"},
		{"and is tied to the beginning", routes{{ID: "r", Paths: []string{"~/b"}}}, Request{Path: "/a/b"}, ""},
		{"every alternative of it is", routes{{ID: "r", Paths: []string{"~/x|/b"}}}, Request{Path: "/a/b"}, ""},
		{"higher regex_priority wins", routes{{ID: "a", Paths: []string{"~/\\d+"}}, {ID: "b", Paths: []string{"~/\\d"}, RegexPriority: 1, CreatedAt: 9}}, Request{Path: "/12"}, "b"},
		{"among equals the older expression", routes{{ID: "a", Paths: []string{"~/\\d+"}, CreatedAt: 2}, {ID: "b", Paths: []string{"~/\\d"}, CreatedAt: 1}}, Request{Path: "/12"}, "b"},
		{"regex_priority means nothing to prefixes", routes{{ID: "a", Paths: []string{"/x"}, RegexPriority: 9}, {ID: "b", Paths: []string{"/x/y"}}}, Request{Path: "/x/y"}, "b"},
		{"look-ahead works", routes{{ID: "r", Paths: []string{"~/a(?!b)"}}, {ID: "p", Paths: []string{"/"}}}, Request{Path: "/ab"}, "p"},
		{"look-ahead matches", routes{{ID: "r", Paths: []string{"~/a(?!b)"}}, {ID: "p", Paths: []string{"/"}}}, Request{Path: "/ac"}, "r"},
		{"regex beats more headers", routes{{ID: "h", Paths: []string{"/a"}, Headers: map[string][]string{"x": {"1"}, "y": {"1"}}}, {ID: "r", Paths: []string{"~/a"}, Headers: map[string][]string{"x": {"1"}}}}, Request{Path: "/a", Header: headerFunc(map[string][]string{"x": {"1"}, "y": {"1"}})}, "r"},

		{"more kinds of criteria win", routes{{ID: "p", Paths: []string{"/long/path"}}, {ID: "m", Paths: []string{"/"}, Methods: []string{"GET"}}}, Request{Method: "GET", Path: "/long/path"}, "m"},
		{"but not when one is unmet", routes{{ID: "p", Paths: []string{"/long/path"}}, {ID: "m", Paths: []string{"/"}, Methods: []string{"POST"}}}, Request{Method: "GET", Path: "/long/path"}, "p"},
		{"host over headers", routes{{ID: "h", Headers: map[string][]string{"x": {"1"}}}, {ID: "o", Hosts: []string{"a.com"}}}, Request{Host: "a.com", Path: "/", Header: headerFunc(map[string][]string{"x": {"1"}})}, "o"},
		{"headers over paths", routes{{ID: "p", Paths: []string{"/a"}}, {ID: "h", Headers: map[string][]string{"x": {"1"}}}}, Request{Path: "/a", Header: headerFunc(map[string][]string{"x": {"1"}})}, "h"},
		{"paths over methods", routes{{ID: "m", Methods: []string{"GET"}}, {ID: "p", Paths: []string{"/"}}}, Request{Method: "GET", Path: "/"}, "p"},
		{"methods over SNIs", routes{{ID: "s", SNIs: []string{"a.com"}}, {ID: "m", Methods: []string{"GET"}}}, Request{Method: "GET", Path: "/", Scheme: "https", SNI: "a.com"}, "m"},
		{"host and path beat three lesser kinds only by count", routes{{ID: "2", Hosts: []string{"a.com"}, Paths: []string{"/"}}, {ID: "3", Paths: []string{"/"}, Methods: []string{"GET"}, Headers: map[string][]string{"x": {"1"}}}}, Request{Method: "GET", Host: "a.com", Path: "/", Header: headerFunc(map[string][]string{"x": {"1"}})}, "3"},

		{"hosts are compared without case", routes{{ID: "a", Hosts: []string{"A.com"}}}, Request{Host: "a.COM", Path: "/"}, "a"},
		{"a host without a port takes any port", routes{{ID: "a", Hosts: []string{"a.com"}}}, Request{Host: "a.com:8000", Path: "/"}, "a"},
		{"a host with a port takes that one", routes{{ID: "a", Hosts: []string{"a.com:8000"}}}, Request{Host: "a.com:8001", Path: "/"}, ""},
		{"the scheme's port is understood", routes{{ID: "a", Hosts: []string{"a.com:443"}}}, Request{Host: "a.com", Scheme: "https", Path: "/"}, "a"},
		{"and 443 is not http's", routes{{ID: "a", Hosts: []string{"a.com:443"}}}, Request{Host: "a.com", Scheme: "http", Path: "/"}, ""},
		{"a host with a port wins", routes{{ID: "a", Hosts: []string{"a.com"}}, {ID: "b", Hosts: []string{"a.com:80"}, CreatedAt: 5}}, Request{Host: "a.com:80", Path: "/"}, "b"},
		{"an IPv6 host", routes{{ID: "a", Hosts: []string{"[::1]:8000"}}}, Request{Host: "[::1]:8000", Path: "/"}, "a"},
		{"a host that is not one", routes{{ID: "a", Hosts: []string{"a.com"}}}, Request{Host: "[a.com:b", Path: "/"}, ""},
		{"a left wildcard takes any depth", routes{{ID: "w", Hosts: []string{"*.a.com"}}}, Request{Host: "x.y.a.com:99", Path: "/"}, "w"},
		{"but not nothing", routes{{ID: "w", Hosts: []string{"*.a.com"}}}, Request{Host: "a.com", Path: "/"}, ""},
		{"a left wildcard with a port", routes{{ID: "w", Hosts: []string{"*.a.com:80"}}}, Request{Host: "x.a.com", Path: "/"}, "w"},
		{"and with another one", routes{{ID: "w", Hosts: []string{"*.a.com:80"}}}, Request{Host: "x.a.com:81", Path: "/"}, ""},
		{"a right wildcard", routes{{ID: "w", Hosts: []string{"a.*"}}}, Request{Host: "a.co.uk", Path: "/"}, "w"},
		{"a right wildcard is tied to the beginning", routes{{ID: "w", Hosts: []string{"a.*"}}}, Request{Host: "xa.com", Path: "/"}, ""},
		{"a right wildcard with a port", routes{{ID: "w", Hosts: []string{"a.*:81"}}}, Request{Host: "a.com:81", Path: "/"}, "w"},
		{"plain before wildcard, whatever the path", routes{{ID: "w", Hosts: []string{"*.a.com"}, Paths: []string{"/long"}}, {ID: "p", Hosts: []string{"x.a.com"}, Paths: []string{"/"}}}, Request{Host: "x.a.com", Path: "/long"}, "p"},
		{"a wildcard beside it makes a host a wildcard's equal", routes{{ID: "m", Hosts: []string{"x.a.com", "*.b.com"}, Paths: []string{"/long"}}, {ID: "p", Hosts: []string{"x.a.com"}, Paths: []string{"/"}}}, Request{Host: "x.a.com", Path: "/long"}, "p"},
		{"a wildcard with a port before one without", routes{{ID: "w", Hosts: []string{"*.a.com"}}, {ID: "p", Hosts: []string{"*.a.com:80"}, CreatedAt: 9}}, Request{Host: "x.a.com", Path: "/"}, "p"},

		{"any value of a header will do, without case", routes{{ID: "h", Headers: map[string][]string{"X-V": {"One", "two"}}}}, Request{Path: "/", Header: headerFunc(map[string][]string{"x-v": {"zero", "TWO"}})}, "h"},
		{"all headers must match", routes{{ID: "h", Headers: map[string][]string{"x": {"1"}, "y": {"1"}}}}, Request{Path: "/", Header: headerFunc(map[string][]string{"x": {"1"}})}, ""},
		{"more headers win", routes{{ID: "1", Headers: map[string][]string{"x": {"1"}}}, {ID: "2", Headers: map[string][]string{"x": {"1"}, "y": {"1"}}, CreatedAt: 5}}, Request{Path: "/", Header: headerFunc(map[string][]string{"x": {"1"}, "y": {"1"}})}, "2"},
		{"a lone ~* value is an expression", routes{{ID: "h", Headers: map[string][]string{"x": {"~*v[0-9]$"}}}}, Request{Path: "/", Header: headerFunc(map[string][]string{"x": {"AV7"}})}, "h"},
		{"with other values beside it, it is text", routes{{ID: "h", Headers: map[string][]string{"x": {"~*v[0-9]$", "b"}}}}, Request{Path: "/", Header: headerFunc(map[string][]string{"x": {"av7"}})}, ""},
		{"no headers, no match", routes{{ID: "h", Headers: map[string][]string{"x": {"1"}}}}, Request{Path: "/"}, ""},

		{"an SNI criterion over https", routes{{ID: "s", SNIs: []string{"a.com."}}}, Request{Path: "/", Scheme: "https", SNI: "A.com"}, "s"},
		{"another SNI", routes{{ID: "s", SNIs: []string{"a.com"}}}, Request{Path: "/", Scheme: "https", SNI: "b.com"}, ""},
		{"methods are compared as they are", routes{{ID: "m", Methods: []string{"get"}}}, Request{Method: "get", Path: "/"}, ""},
		{"stream routes take no part", routes{{ID: "t", Protocols: []string{"tcp"}}, {ID: "p", Paths: []string{"/"}}}, Request{Path: "/"}, "p"},
	} {
		t.Run(c.why, func(t *testing.T) {
			if c.req.Scheme == "" {
				c.req.Scheme = "http"
			}
			got := ""
			if m, ok := mustTable(t, c.routes...).Match(&c.req); ok {
				got = m.Route.ID
				if &c.routes[m.Index] != m.Route {
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
		why       string
		protocols []string
		status    int
		scheme    string
		want      int
	}{
		{"http on a https route", []string{"https"}, 426, "http", 426},
		{"a redirect instead", []string{"https"}, 301, "http", 301},
		{"426 where nothing is set", []string{"grpcs"}, 0, "http", 426},
		{"https is fine", []string{"https"}, 426, "https", 0},
		{"a http route takes https too", []string{"http"}, 426, "https", 0},
		{"both", []string{"http", "https"}, 426, "http", 0},
	} {
		table := mustTable(t, entity.Route{Paths: []string{"/"}, SNIs: []string{"a.com"}, Protocols: c.protocols, HTTPSRedirectStatusCode: c.status})
		m, ok := table.Match(&Request{Path: "/", Scheme: c.scheme, SNI: "a.com"})
		if !ok || m.UpgradeStatus != c.want {
			t.Errorf("%s: %d (match %t), want %d", c.why, m.UpgradeStatus, ok, c.want)
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
		_, err := New([]entity.Route{c.route})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s...", err, c.want)
		}
	}
}

// A request whose expressions take too long gets no route at all: not one
// that stands behind the one that could not be ruled out.
func TestWhatCannotBeEvaluatedFindsNoRoute(t *testing.T) {
	rest := entity.Route{ID: "rest", Paths: []string{"/"}}
	long := "/" + strings.Repeat("a", 60) + "b"
	header := func(string) []string { return []string{strings.Repeat("a", 60) + "b"} }
	for say, evil := range map[string]entity.Route{
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
	routes := make([]entity.Route, 0, 2001)
	for i := range 2000 {
		routes = append(routes, entity.Route{ID: strconv.Itoa(i), Paths: []string{`~/(?!private).*(?:.*)` + strconv.Itoa(i) + `z$`}})
	}
	table := mustTable(t, append(routes, entity.Route{ID: "rest", Paths: []string{"/"}})...)
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
	table := mustTable(t, entity.Route{ID: "r", Paths: []string{`~/..(?=c)`}})
	m, ok := table.Match(&Request{Path: "/\xff\u00e9cd"})
	if !ok || m.Prefix != "/\xff\u00e9" {
		t.Errorf("prefix %q, match %t", m.Prefix, ok)
	}
}
