package entity_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/route"
)

func record(t *testing.T, schema string, in entity.Record) (entity.Record, error) {
	t.Helper()
	s, _ := schemas.ByName(schema)
	return s.ProcessInsert(in, time.Unix(1, 0), "")
}

// FuzzForm wants every form to become an entity or an error, and an entity to
// be taken again as it is.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"name=a&url=http://h:1/p", "paths[]=/a&paths[2]=/b&hosts=a&hosts=b",
		"headers.x-a[]=1&headers[b]=2", "a[1].b=1&a[1001]=2", "a.b=1&a=2", "[=1",
		"name=key-auth&config.key_names[]=k", "config.redis.host=h&config.redis_host=i&name=rate-limiting&config.minute=1",
		"service.id=x", "=", "a[=1&a]=2",
	} {
		f.Add(uint8(0), s)
		f.Add(uint8(4), s)
		f.Add(uint8(8), s)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		s := schemas.Schemas()[int(which)%len(schemas.Schemas())]
		in, err := s.DecodeForm(form)
		if err != nil {
			return
		}
		r, err := s.ProcessInsert(in, time.Unix(1, 0), "")
		if err != nil {
			return
		}
		if _, err := s.ProcessInsert(r, time.Unix(1, 0), ""); err != nil {
			t.Errorf("%s %q is not taken again: %v", s.Name, text, err)
		}
	})
}

// FuzzRoutePath wants every path that is taken to be one that the router can
// use, and in the form that it compares in.
func FuzzRoutePath(f *testing.F) {
	for _, p := range []string{"/", "/a/../b", "/a%2fb", "/%zz", "~/a(?=b)", "~/(a+)+", "/a/.", "/..", "/%2e%2E/", "//", "/é",
		"/%C3%A9", "/a%25b", "/%%32e"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r, err := record(t, "routes", entity.Record{"paths": []any{path}})
		if err != nil {
			return
		}
		if !strings.HasPrefix(path, "~") && route.Normalize(path) != path {
			t.Errorf("%q is taken, and %q is compared", path, route.Normalize(path))
		}
		mustRoute(t, r)
	})
}

// FuzzRouteHost wants every host that is taken to be one that a request can ask
// for.
func FuzzRouteHost(f *testing.F) {
	for _, h := range []string{"a.com", "A.com.", "*.a", "a.*", "a:80", "[::1]", "[::1]:80", "::1", "10.0.0.1", "a..b", "-",
		"a-", "x@a", "a:00080", "*.[::1]", "é.com"} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, host string) {
		r, err := record(t, "routes", entity.Record{"hosts": []any{host}})
		if err != nil {
			return
		}
		table := mustRoute(t, r)
		asked := strings.Replace(host, "*", "x", 1)
		if strings.Count(asked, ":") > 1 && !strings.HasPrefix(asked, "[") {
			asked = "[" + asked + "]"
		}
		canonical, ok := route.CanonicalHost(asked)
		if !ok {
			t.Fatalf("%q is taken, and no request can ask for it", host)
		}
		if _, ok := table.Match(&route.Request{Method: "GET", Host: canonical, Path: "/", Scheme: "http"}); !ok {
			t.Errorf("%q is taken, and a request for %q does not find it", host, canonical)
		}
	})
}

func mustRoute(t *testing.T, r entity.Record) *route.Table {
	t.Helper()
	one, err := entity.Decode[entity.Route](r)
	if err != nil {
		t.Fatal(err)
	}
	table, err := route.New([]*entity.Route{&one})
	if err != nil {
		t.Fatalf("%v is taken, and cannot be routed: %v", r, err)
	}
	return table
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"{vault://env/a}", "{vault://env/a/b?prefix=x_}", "{vault://aws/a#1}", "{vault://", "{vault://env/%zz}", "a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, ok, err := entity.ParseReference(text)
		if err != nil || !ok {
			return
		}
		name := ref.EnvName()
		if name == "" || strings.ContainsAny(name, "=\x00") {
			t.Errorf("%q names %q", text, name)
		}
		_, _ = ref.Value(func(string) (string, bool) { return text, true })
	})
}
