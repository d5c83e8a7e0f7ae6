package route

import (
	"strings"
	"testing"

	"gatelab/gateway/internal/entity"
)

// The facts of Kong's router_path_handling_tests: what a request path becomes
// with strip_path off and on, under v0 and v1. A route "-" has no paths.
var pathHandling = []struct {
	service, route, request      string
	keepV0, keepV1, cutV0, cutV1 string
}{
	{"/", "/", "/", "/", "/", "/", "/"},
	{"/", "/", "/route", "/route", "/route", "/route", "/route"},
	{"/", "/", "/route/", "/route/", "/route/", "/route/", "/route/"},
	{"/", "/", "/routereq", "/routereq", "/routereq", "/routereq", "/routereq"},
	{"/", "/", "/route/req", "/route/req", "/route/req", "/route/req", "/route/req"},
	{"/", "/route", "/route", "/route", "/route", "/", "/"},
	{"/", "/route", "/route/", "/route/", "/route/", "/", "/"},
	{"/", "/route", "/routereq", "/routereq", "/routereq", "/req", "/req"},
	{"/", "/route/", "/route/", "/route/", "/route/", "/", "/"},
	{"/", "/route/", "/route/req", "/route/req", "/route/req", "/req", "/req"},
	{"/srv", "/rou", "/roureq", "/srv/roureq", "/srvroureq", "/srv/req", "/srvreq"},
	{"/srv/", "/rou", "/rou", "/srv/rou", "/srv/rou", "/srv", "/srv/"},
	{"/service", "/", "/", "/service", "/service", "/service", "/service"},
	{"/service", "/", "/route", "/service/route", "/serviceroute", "/service/route", "/serviceroute"},
	{"/service", "/", "/route/", "/service/route/", "/serviceroute/", "/service/route/", "/serviceroute/"},
	{"/service", "/", "/routereq", "/service/routereq", "/serviceroutereq", "/service/routereq", "/serviceroutereq"},
	{"/service", "/", "/route/req", "/service/route/req", "/serviceroute/req", "/service/route/req", "/serviceroute/req"},
	{"/service", "/route", "/route", "/service/route", "/serviceroute", "/service", "/service"},
	{"/service", "/route", "/route/", "/service/route/", "/serviceroute/", "/service/", "/service/"},
	{"/service", "/route", "/routereq", "/service/routereq", "/serviceroutereq", "/service/req", "/servicereq"},
	{"/service", "/route/", "/route/", "/service/route/", "/serviceroute/", "/service/", "/service"},
	{"/service", "/route/", "/route/req", "/service/route/req", "/serviceroute/req", "/service/req", "/servicereq"},
	{"/service/", "/", "/", "/service/", "/service/", "/service/", "/service/"},
	{"/service/", "/", "/route", "/service/route", "/service/route", "/service/route", "/service/route"},
	{"/service/", "/", "/route/", "/service/route/", "/service/route/", "/service/route/", "/service/route/"},
	{"/service/", "/", "/routereq", "/service/routereq", "/service/routereq", "/service/routereq", "/service/routereq"},
	{"/service/", "/", "/route/req", "/service/route/req", "/service/route/req", "/service/route/req", "/service/route/req"},
	{"/service/", "/route", "/route", "/service/route", "/service/route", "/service", "/service/"},
	{"/service/", "/route", "/route/", "/service/route/", "/service/route/", "/service/", "/service/"},
	{"/service/", "/route", "/routereq", "/service/routereq", "/service/routereq", "/service/req", "/service/req"},
	{"/service/", "/route/", "/route/", "/service/route/", "/service/route/", "/service/", "/service/"},
	{"/service/", "/route/", "/route/req", "/service/route/req", "/service/route/req", "/service/req", "/service/req"},
	{"/", "-", "/", "/", "/", "/", "/"},
	{"/", "-", "/route", "/route", "/route", "/route", "/route"},
	{"/", "-", "/route/", "/route/", "/route/", "/route/", "/route/"},
	{"/service", "-", "/", "/service", "/service", "/service", "/service"},
	{"/service", "-", "/route", "/service/route", "/serviceroute", "/service/route", "/serviceroute"},
	{"/service", "-", "/route/", "/service/route/", "/serviceroute/", "/service/route/", "/serviceroute/"},
	{"/service/", "-", "/", "/service/", "/service/", "/service/", "/service/"},
	{"/service/", "-", "/route", "/service/route", "/service/route", "/service/route", "/service/route"},
	{"/service/", "-", "/route/", "/service/route/", "/service/route/", "/service/route/", "/service/route/"},
}

func TestUpstreamPathAsKongHandlesIt(t *testing.T) {
	for _, row := range pathHandling {
		for _, c := range []struct {
			strip    bool
			handling string
			want     string
		}{
			{false, "v0", row.keepV0}, {false, "v1", row.keepV1},
			{true, "v0", row.cutV0}, {true, "v1", row.cutV1},
		} {
			for _, form := range []string{"prefix", "regex"} {
				r := entity.Route{ID: "r", Methods: []string{"GET"}, StripPath: c.strip, PathHandling: c.handling}
				if row.route != "-" {
					r.Paths = []string{row.route}
					if form == "regex" {
						r.Paths[0] = "~" + row.route
					}
				}
				m, ok := mustTable(t, r).Match(&Request{Method: "GET", Path: row.request})
				if !ok {
					t.Fatalf("%+v: no match", row)
				}
				got := UpstreamPath(&r, row.service, row.request, m.Prefix)
				if got != c.want {
					t.Errorf("service %s route %s (%s) strip %t %s: %s became %s, want %s",
						row.service, row.route, form, c.strip, c.handling, row.request, got, c.want)
				}
				if app := AppendUpstreamPath([]byte("x"), &r, row.service, row.request, m.Prefix); string(app) != "x"+c.want {
					t.Errorf("AppendUpstreamPath gives %s, UpstreamPath %s", app, c.want)
				}
			}
		}
	}
}

func TestUpstreamPathSpecialCases(t *testing.T) {
	for _, c := range []struct{ why, service, request, prefix, want string }{
		{"a service without a path is at the root", "", "/a/b", "/a", "/b"},
		{"a dot segment laid bare by the cut does not climb", "/s", "/a..", "/a", "/s"},
		{"nor does a longer one", "/s", "/a../b", "/a", "/s/b"},
		{"nor a single dot", "/s", "/a./b", "/a", "/s/b"},
		{"decoded bytes are escaped again for the wire", "/s", "/a/x y\n\xff", "/a", "/s/x%20y%0A%FF"},
		{"reserved escapes pass through", "/", "/a/x%2Fy", "/a", "/x%2Fy"},
	} {
		r := entity.Route{StripPath: true, PathHandling: "v0"}
		if got := UpstreamPath(&r, c.service, c.request, c.prefix); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

func TestNormalize(t *testing.T) {
	for _, c := range []struct{ why, in, want string }{
		{"nothing to do", "/a/b.c/d", "/a/b.c/d"},
		{"empty stays empty", "", ""},
		{"a hidden file is no dot segment", "/.well-known/x..y/...", "/.well-known/x..y/..."},
		{"slashes merge", "//a///b//", "/a/b/"},
		{"a dot segment goes", "/a/./b/.", "/a/b/"},
		{"two dots climb", "/a/b/../c", "/a/c"},
		{"at the end they leave a slash", "/a/b/..", "/a/"},
		{"not above the root", "/../../a", "/a"},
		{"nothing but climbing", "/..", "/"},
		{"slashes merge before climbing", "/a//../b", "/b"},
		{"unreserved escapes are decoded", "/%61%7e%2D", "/a~-"},
		{"so are escaped dots, and they count", "/a/%2e%2E/b", "/b"},
		{"others are decoded", "/a%20b%C3%A9", "/a b\u00e9"},
		{"reserved stay, in upper case", "/a%2fb%3f%25", "/a%2Fb%3F%25"},
		{"a stray percent sign is escaped", "/a%/%4", "/a%25/%254"},
		{"decoding never makes a new escape", "/%%32e%%32e/b", "/%252e%252e/b"},
		{"a path without a slash", "../a/./b", "a/b"},
	} {
		if got := Normalize(c.in); got != c.want {
			t.Errorf("%s: %q became %q, want %q", c.why, c.in, got, c.want)
		}
	}
}

func TestNormalPathsAreNotCopied(t *testing.T) {
	r := entity.Route{StripPath: true, PathHandling: "v0"}
	path := "/ai/v1/models/17.json"
	if n := testing.AllocsPerRun(100, func() {
		if UpstreamPath(&r, "/", Normalize(path), "/ai") != "/v1/models/17.json" {
			t.Error("wrong path")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"/", "//a/./../%2e%2e/%zz%2f%", "../..", "/%%32e/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Normalize(s)
		if twice := Normalize(once); twice != once {
			t.Errorf("%q became %q, and then %q", s, once, twice)
		}
		if strings.HasPrefix(s, "/") && !strings.HasPrefix(once, "/") {
			t.Errorf("%q lost its slash: %q", s, once)
		}
		for _, bad := range []string{"//", "/./", "/../"} {
			if strings.Contains(once, bad) {
				t.Errorf("%q became %q, which has %q", s, once, bad)
			}
		}
	})
}
