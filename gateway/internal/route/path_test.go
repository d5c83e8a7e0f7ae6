package route

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// The facts of Kong's router_path_handling_tests: what a request path becomes
// with strip_path off and on, under v0 and v1. A route "-" has no paths.
var pathHandling = []struct {
	service, route, request      string
	keepV0, keepV1, cutV0, cutV1 string
}{
	{service: "/", route: "/", request: "/", keepV0: "/", keepV1: "/", cutV0: "/", cutV1: "/"},
	{service: "/", route: "/", request: "/route", keepV0: "/route", keepV1: "/route", cutV0: "/route", cutV1: "/route"},
	{service: "/", route: "/", request: "/route/", keepV0: "/route/", keepV1: "/route/", cutV0: "/route/", cutV1: "/route/"},
	{service: "/", route: "/", request: "/routereq", keepV0: "/routereq", keepV1: "/routereq", cutV0: "/routereq", cutV1: "/routereq"},
	{service: "/", route: "/", request: "/route/req", keepV0: "/route/req", keepV1: "/route/req", cutV0: "/route/req",
		cutV1: "/route/req"},
	{service: "/", route: "/route", request: "/route", keepV0: "/route", keepV1: "/route", cutV0: "/", cutV1: "/"},
	{service: "/", route: "/route", request: "/route/", keepV0: "/route/", keepV1: "/route/", cutV0: "/", cutV1: "/"},
	{service: "/", route: "/route", request: "/routereq", keepV0: "/routereq", keepV1: "/routereq", cutV0: "/req", cutV1: "/req"},
	{service: "/", route: "/route/", request: "/route/", keepV0: "/route/", keepV1: "/route/", cutV0: "/", cutV1: "/"},
	{service: "/", route: "/route/", request: "/route/req", keepV0: "/route/req", keepV1: "/route/req", cutV0: "/req", cutV1: "/req"},
	{service: "/srv", route: "/rou", request: "/roureq", keepV0: "/srv/roureq", keepV1: "/srvroureq", cutV0: "/srv/req",
		cutV1: "/srvreq"},
	{service: "/srv/", route: "/rou", request: "/rou", keepV0: "/srv/rou", keepV1: "/srv/rou", cutV0: "/srv", cutV1: "/srv/"},
	{service: "/service", route: "/", request: "/", keepV0: "/service", keepV1: "/service", cutV0: "/service", cutV1: "/service"},
	{service: "/service", route: "/", request: "/route", keepV0: "/service/route", keepV1: "/serviceroute", cutV0: "/service/route",
		cutV1: "/serviceroute"},
	{service: "/service", route: "/", request: "/route/", keepV0: "/service/route/", keepV1: "/serviceroute/",
		cutV0: "/service/route/", cutV1: "/serviceroute/"},
	{service: "/service", route: "/", request: "/routereq", keepV0: "/service/routereq", keepV1: "/serviceroutereq",
		cutV0: "/service/routereq", cutV1: "/serviceroutereq"},
	{service: "/service", route: "/", request: "/route/req", keepV0: "/service/route/req", keepV1: "/serviceroute/req",
		cutV0: "/service/route/req", cutV1: "/serviceroute/req"},
	{service: "/service", route: "/route", request: "/route", keepV0: "/service/route", keepV1: "/serviceroute", cutV0: "/service",
		cutV1: "/service"},
	{service: "/service", route: "/route", request: "/route/", keepV0: "/service/route/", keepV1: "/serviceroute/", cutV0: "/service/",
		cutV1: "/service/"},
	{service: "/service", route: "/route", request: "/routereq", keepV0: "/service/routereq", keepV1: "/serviceroutereq",
		cutV0: "/service/req", cutV1: "/servicereq"},
	{service: "/service", route: "/route/", request: "/route/", keepV0: "/service/route/", keepV1: "/serviceroute/",
		cutV0: "/service/", cutV1: "/service"},
	{service: "/service", route: "/route/", request: "/route/req", keepV0: "/service/route/req", keepV1: "/serviceroute/req",
		cutV0: "/service/req", cutV1: "/servicereq"},
	{service: "/service/", route: "/", request: "/", keepV0: "/service/", keepV1: "/service/", cutV0: "/service/", cutV1: "/service/"},
	{service: "/service/", route: "/", request: "/route", keepV0: "/service/route", keepV1: "/service/route", cutV0: "/service/route",
		cutV1: "/service/route"},
	{service: "/service/", route: "/", request: "/route/", keepV0: "/service/route/", keepV1: "/service/route/",
		cutV0: "/service/route/", cutV1: "/service/route/"},
	{service: "/service/", route: "/", request: "/routereq", keepV0: "/service/routereq", keepV1: "/service/routereq",
		cutV0: "/service/routereq", cutV1: "/service/routereq"},
	{service: "/service/", route: "/", request: "/route/req", keepV0: "/service/route/req", keepV1: "/service/route/req",
		cutV0: "/service/route/req", cutV1: "/service/route/req"},
	{service: "/service/", route: "/route", request: "/route", keepV0: "/service/route", keepV1: "/service/route", cutV0: "/service",
		cutV1: "/service/"},
	{service: "/service/", route: "/route", request: "/route/", keepV0: "/service/route/", keepV1: "/service/route/",
		cutV0: "/service/", cutV1: "/service/"},
	{service: "/service/", route: "/route", request: "/routereq", keepV0: "/service/routereq", keepV1: "/service/routereq",
		cutV0: "/service/req", cutV1: "/service/req"},
	{service: "/service/", route: "/route/", request: "/route/", keepV0: "/service/route/", keepV1: "/service/route/",
		cutV0: "/service/", cutV1: "/service/"},
	{service: "/service/", route: "/route/", request: "/route/req", keepV0: "/service/route/req", keepV1: "/service/route/req",
		cutV0: "/service/req", cutV1: "/service/req"},
	{service: "/", route: "-", request: "/", keepV0: "/", keepV1: "/", cutV0: "/", cutV1: "/"},
	{service: "/", route: "-", request: "/route", keepV0: "/route", keepV1: "/route", cutV0: "/route", cutV1: "/route"},
	{service: "/", route: "-", request: "/route/", keepV0: "/route/", keepV1: "/route/", cutV0: "/route/", cutV1: "/route/"},
	{service: "/service", route: "-", request: "/", keepV0: "/service", keepV1: "/service", cutV0: "/service", cutV1: "/service"},
	{service: "/service", route: "-", request: "/route", keepV0: "/service/route", keepV1: "/serviceroute", cutV0: "/service/route",
		cutV1: "/serviceroute"},
	{service: "/service", route: "-", request: "/route/", keepV0: "/service/route/", keepV1: "/serviceroute/",
		cutV0: "/service/route/", cutV1: "/serviceroute/"},
	{service: "/service/", route: "-", request: "/", keepV0: "/service/", keepV1: "/service/", cutV0: "/service/", cutV1: "/service/"},
	{service: "/service/", route: "-", request: "/route", keepV0: "/service/route", keepV1: "/service/route", cutV0: "/service/route",
		cutV1: "/service/route"},
	{service: "/service/", route: "-", request: "/route/", keepV0: "/service/route/", keepV1: "/service/route/",
		cutV0: "/service/route/", cutV1: "/service/route/"},
}

func TestUpstreamPathAsKongHandlesIt(t *testing.T) {
	for _, row := range pathHandling {
		for _, c := range []struct {
			strip    bool
			handling string
			want     string
		}{
			{handling: "v0", want: row.keepV0}, {handling: "v1", want: row.keepV1},
			{strip: true, handling: "v0", want: row.cutV0}, {strip: true, handling: "v1", want: row.cutV1},
		} {
			for _, form := range []string{"prefix", "regex"} {
				r := entity.Route{ID: "r", Methods: []string{"GET"}, StripPath: c.strip, PathHandling: c.handling}
				if row.route != "-" {
					r.Paths = []string{row.route}
					if form == "regex" {
						r.Paths[0] = "~" + row.route
					}
				}
				m, ok := mustTable(t, &r).Match(&Request{Method: "GET", Path: row.request})
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
	for _, c := range []struct{ name, service, request, prefix, want string }{
		{name: "a service without a path is at the root", request: "/a/b", prefix: "/a", want: "/b"},
		{name: "a dot segment laid bare by the cut does not climb", service: "/s", request: "/a..", prefix: "/a", want: "/s"},
		{name: "nor does a longer one", service: "/s", request: "/a../b", prefix: "/a", want: "/s/b"},
		{name: "nor a single dot", service: "/s", request: "/a./b", prefix: "/a", want: "/s/b"},
		{name: "decoded bytes are escaped again for the wire", service: "/s", request: "/a/x y\n\xff", prefix: "/a",
			want: "/s/x%20y%0A%FF"},
		{name: "reserved escapes pass through", service: "/", request: "/a/x%2Fy", prefix: "/a", want: "/x%2Fy"},
	} {
		r := entity.Route{StripPath: true, PathHandling: "v0"}
		if got := UpstreamPath(&r, c.service, c.request, c.prefix); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNormalize(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{name: "nothing to do", in: "/a/b.c/d", want: "/a/b.c/d"},
		{name: "empty stays empty"},
		{name: "a hidden file is no dot segment", in: "/.well-known/x..y/...", want: "/.well-known/x..y/..."},
		{name: "slashes merge", in: "//a///b//", want: "/a/b/"},
		{name: "a dot segment goes", in: "/a/./b/.", want: "/a/b/"},
		{name: "two dots climb", in: "/a/b/../c", want: "/a/c"},
		{name: "at the end they leave a slash", in: "/a/b/..", want: "/a/"},
		{name: "not above the root", in: "/../../a", want: "/a"},
		{name: "nothing but climbing", in: "/..", want: "/"},
		{name: "slashes merge before climbing", in: "/a//../b", want: "/b"},
		{name: "unreserved escapes are decoded", in: "/%61%7e%2D", want: "/a~-"},
		{name: "so are escaped dots, and they count", in: "/a/%2e%2E/b", want: "/b"},
		{name: "others are decoded", in: "/a%20b%C3%A9", want: "/a b\u00e9"},
		{name: "reserved stay, in upper case", in: "/a%2fb%3f%25", want: "/a%2Fb%3F%25"},
		{name: "a stray percent sign is escaped", in: "/a%/%4", want: "/a%25/%254"},
		{name: "decoding never makes a new escape", in: "/%%32e%%32e/b", want: "/%252e%252e/b"},
		{name: "a path without a slash", in: "../a/./b", want: "a/b"},
	} {
		if got := Normalize(c.in); got != c.want {
			t.Errorf("%s: %q became %q, want %q", c.name, c.in, got, c.want)
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
