package entity_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
)

// schemas are those of the whole gateway.
var schemas = all.Plugins().Catalog()

// curl decodes and inserts a form as the Admin API would.
func curl(t *testing.T, schema, form string) (entity.Record, error) {
	t.Helper()
	s, ok := schemas.ByName(schema)
	if !ok {
		t.Fatalf("no schema %s", schema)
	}
	v, err := url.ParseQuery(form)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.DecodeForm(v)
	if err != nil {
		return nil, err
	}
	return s.ProcessInsert(r, time.Unix(1000, 0), "")
}

func at(r entity.Record, path ...string) any {
	var v any = r
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func TestTheLaddersOwnCalls(t *testing.T) {
	cases := []struct {
		schema, form string
		path         []string
		want         any
	}{
		{schema: "services", form: "name=ai-api&url=http://origin:9000", path: []string{"port"}, want: int64(9000)},
		{schema: "services", form: "name=ai-api&url=http://origin:9000", path: []string{"host"}, want: "origin"},
		{schema: "routes", form: "paths[]=/ai&strip_path=false", path: []string{"strip_path"}, want: false},
		{
			schema: "plugins",
			form: "name=proxy-cache&config.strategy=redis&config.redis.host=redis&config.redis.port=6379" +
				"&config.content_type[]=application/json&config.cache_ttl=300&config.cache_control=true",
			path: []string{"config", "redis", "host"}, want: "redis",
		},
		{
			schema: "plugins",
			form:   "name=rate-limiting&config.minute=100&config.hour=5000&config.policy=redis&config.redis_host=redis",
			path:   []string{"config", "redis", "host"}, want: "redis",
		},
		{
			schema: "plugins",
			form:   "name=rate-limiting-advanced&config.limit[]=100&config.window_size[]=60&config.identifier=consumer&config.sync_rate=-1",
			path:   []string{"config", "sync_rate"}, want: int64(-1),
		},
	}
	for _, c := range cases {
		r, err := curl(t, c.schema, c.form)
		if err != nil {
			t.Errorf("%s: %v", c.form, err)
			continue
		}
		if got := at(r, c.path...); got != c.want {
			t.Errorf("%s: %v is %v (%T), want %v", c.form, c.path, got, got, c.want)
		}
	}
}

func TestViolations(t *testing.T) {
	cases := []struct{ name, schema, form, want string }{
		{name: "a missing field", schema: "services", form: "name=x", want: "schema violation (host: required field missing)"},
		{name: "an unknown field", schema: "consumers", form: "username=u&nam=x", want: "schema violation (nam: unknown field)"},
		{
			name: "two at once", schema: "services", form: "port=99999",
			want: "2 schema violations (host: required field missing; port: value should be between 0 and 65535)",
		},
		{
			name: "a route without criteria", schema: "routes", form: "name=r",
			want: "schema violation (must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http' or 'https')",
		},
		{
			name: "an unknown plugin", schema: "plugins", form: "name=nope",
			want: "schema violation (name: plugin 'nope' not enabled; add it to the 'plugins' configuration property)",
		},
		{name: "a number that is none", schema: "services", form: "host=h&port=abc", want: "schema violation (port: expected an integer)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := curl(t, c.schema, c.form)
			var e *entity.Error
			if !errors.As(err, &e) || e.Message != c.want || e.Code != entity.CodeSchema || e.Status() != 400 {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestDefaultsAreFilledAndPatchMergesDeeply(t *testing.T) {
	r, err := curl(t, "plugins", "name=proxy-cache&config.strategy=memory")
	if err != nil {
		t.Fatal(err)
	}
	if at(r, "config", "error_ttl") != int64(10) || at(r, "config", "memory", "dictionary_name") != "kong_db_cache" {
		t.Fatalf("defaults are missing: %v", r["config"])
	}
	s, _ := schemas.ByName("plugins")
	r2, err := s.ProcessUpdate(r, entity.Record{"config": map[string]any{"strategy": "redis",
		"redis": map[string]any{"host": "h"}}}, time.Unix(2000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if at(r2, "config", "redis", "port") != int64(6379) || at(r2, "config", "redis", "host") != "h" ||
		at(r2, "config", "error_ttl") != int64(10) {
		t.Errorf("the patch lost something: %v", r2["config"])
	}
	if r2["updated_at"] != int64(2000) || r2["created_at"] != int64(1000) {
		t.Errorf("timestamps are %v %v", r2["created_at"], r2["updated_at"])
	}
}

func TestInsertOfWhatWasStoredChangesNothing(t *testing.T) {
	for _, c := range [][2]string{
		{"services", "host=h"}, {"routes", "paths=/a"}, {"consumers", "username=u"}, {"upstreams", "name=u.x"},
		{"plugins", "name=rate-limiting&config.minute=5"}, {"plugins", "name=rate-limiting-advanced&config.limit=1&config.window_size=1"},
	} {
		first, err := curl(t, c[0], c[1])
		if err != nil {
			t.Fatal(err)
		}
		s, _ := schemas.ByName(c[0])
		again, err := s.ProcessUpsert(first["id"].(string), first, time.Unix(1000, 0))
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		for k, v := range first {
			if !equal(v, again[k]) {
				t.Errorf("%v: %s was %v, is %v", c, k, v, again[k])
			}
		}
	}
}

func equal(a, b any) bool {
	x, y := map[string]any{"v": a}, map[string]any{"v": b}
	return entity.SchemaError(x).Message == entity.SchemaError(y).Message
}

func FuzzDecodeForm(f *testing.F) {
	f.Add("paths[]=/a&config.limit[1]=3&a.b.c=")
	f.Add("a[1].b=2&a[1].c=3&a=1")
	f.Fuzz(func(_ *testing.T, q string) {
		v, err := url.ParseQuery(q)
		if err != nil {
			return
		}
		for _, s := range schemas.Schemas() {
			if r, err := s.DecodeForm(v); err == nil {
				_, _ = s.ProcessInsert(r, time.Unix(1, 0), "")
			}
		}
	})
}
