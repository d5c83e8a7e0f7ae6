package entity_test

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
)

// TestDefaultsAreKongs has what Kong fills in where a client says as little as
// it can.
func TestDefaultsAreKongs(t *testing.T) {
	const id = "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"
	for _, tt := range []struct {
		schema string
		body   string
		want   entity.Record // without what the body says
	}{
		{schema: "services", body: `{"host":"h"}`, want: entity.Record{
			"id": id, "name": nil, "retries": int64(5), "protocol": "http", "port": int64(80), "path": nil,
			"connect_timeout": int64(60000), "write_timeout": int64(60000), "read_timeout": int64(60000), "tags": nil,
			"client_certificate": nil, "tls_verify": nil, "tls_verify_depth": nil, "ca_certificates": nil, "enabled": true,
			"created_at": int64(1000), "updated_at": int64(1000),
		}},
		{schema: "routes", body: `{"paths":["/"]}`, want: entity.Record{
			"id": id, "name": nil, "protocols": []any{"http", "https"}, "methods": nil, "hosts": nil, "headers": nil, "snis": nil,
			"sources": nil, "destinations": nil, "https_redirect_status_code": int64(426), "regex_priority": int64(0),
			"strip_path": true, "path_handling": "v0", "preserve_host": false, "request_buffering": true,
			"response_buffering": true, "tags": nil, "service": nil, "created_at": int64(1000), "updated_at": int64(1000),
		}},
		{schema: "consumers", body: `{"username":"u"}`, want: entity.Record{
			"id": id, "custom_id": nil, "tags": nil, "created_at": int64(1000), "updated_at": int64(1000),
		}},
		{schema: "targets", body: `{"upstream":{"id":"` + id + `"},"target":"h:1"}`, want: entity.Record{
			"id": id, "weight": int64(100), "tags": nil, "created_at": 1000.0, "updated_at": 1000.0,
		}},
		{schema: "plugins", body: `{"name":"prometheus","config":{}}`, want: entity.Record{
			"id": id, "instance_name": nil, "route": nil, "service": nil, "consumer": nil,
			"protocols": []any{"grpc", "grpcs", "http", "https"}, "enabled": true, "tags": nil,
			"created_at": int64(1000), "updated_at": int64(1000),
		}},
	} {
		t.Run(tt.schema, func(t *testing.T) {
			s, _ := schemas.ByName(tt.schema)
			in, err := s.DecodeJSON([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.ProcessInsert(in, time.Unix(1000, 0), id)
			if err != nil {
				t.Fatal(err)
			}
			for name := range in {
				delete(got, name)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%v\nwant\n%v", got, tt.want)
			}
		})
	}
}

func TestUpstreamDefaultsAreKongs(t *testing.T) {
	r, err := entitytest.Insert(t, schemas, "upstreams", `{"name":"u.x"}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path []string
		want any
	}{
		{path: []string{"algorithm"}, want: "round-robin"},
		{path: []string{"slots"}, want: int64(10000)},
		{path: []string{"hash_on"}, want: "none"},
		{path: []string{"hash_fallback"}, want: "none"},
		{path: []string{"hash_on_cookie_path"}, want: "/"},
		{path: []string{"use_srv_name"}, want: false},
		{path: []string{"healthchecks", "threshold"}, want: int64(0)},
		{path: []string{"healthchecks", "active", "type"}, want: "http"},
		{path: []string{"healthchecks", "active", "timeout"}, want: int64(1)},
		{path: []string{"healthchecks", "active", "concurrency"}, want: int64(10)},
		{path: []string{"healthchecks", "active", "http_path"}, want: "/"},
		{path: []string{"healthchecks", "active", "https_verify_certificate"}, want: true},
		{path: []string{"healthchecks", "active", "healthy", "interval"}, want: int64(0)},
		{path: []string{"healthchecks", "active", "healthy", "successes"}, want: int64(0)},
		{path: []string{"healthchecks", "passive", "unhealthy", "tcp_failures"}, want: int64(0)},
		{path: []string{"healthchecks", "passive", "unhealthy", "http_statuses"}, want: []any{int64(429), int64(500), int64(503)}},
	} {
		if got := entitytest.At(r, tt.path...); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.path, got, tt.want)
		}
	}
}

func TestForms(t *testing.T) {
	for _, tt := range []struct {
		name   string
		schema string
		form   string
		want   entity.Record
		err    string
	}{
		{
			name: "a number and a flag", schema: "services", form: "port=81&enabled=false",
			want: entity.Record{"port": int64(81), "enabled": false},
		},
		{name: "a text that looks like a number", schema: "consumers", form: "username=12", want: entity.Record{"username": "12"}},
		{name: "a url", schema: "services", form: "url=https://h/p", want: entity.Record{
			"protocol": "https", "host": "h", "port": int64(443), "path": "/p",
		}},
		{name: "no url", schema: "services", form: "url=", want: entity.Record{"protocol": nil, "host": nil, "port": nil, "path": nil}},
		{name: "an empty value", schema: "services", form: "path=", want: entity.Record{"path": nil}},
		{name: "one element of a list", schema: "routes", form: "paths=/a", want: entity.Record{"paths": []any{"/a"}}},
		{name: "a repeated key", schema: "routes", form: "paths=/a&paths=/b", want: entity.Record{"paths": []any{"/a", "/b"}}},
		{name: "brackets", schema: "routes", form: "paths[]=/a&paths[]=/b", want: entity.Record{"paths": []any{"/a", "/b"}}},
		{name: "indexes", schema: "routes", form: "paths[2]=/b&paths[1]=/a", want: entity.Record{"paths": []any{"/a", "/b"}}},
		{name: "a map", schema: "routes", form: "headers.x-a[]=1", want: entity.Record{"headers": map[string]any{"x-a": []any{"1"}}}},
		{name: "a reference", schema: "routes", form: "service.id=s", want: entity.Record{"service": map[string]any{"id": "s"}}},
		{name: "records in records", schema: "upstreams", form: "healthchecks.active.healthy.interval=0.5", want: entity.Record{
			"healthchecks": map[string]any{"active": map[string]any{"healthy": map[string]any{"interval": 0.5}}},
		}},
		{name: "a plugin's config", schema: "plugins", form: "name=key-auth&config.key_in_body=true&config.key_names=a", want: entity.Record{
			"name": "key-auth", "config": map[string]any{"key_in_body": true, "key_names": []any{"a"}},
		}},
		{name: "an unknown field", schema: "consumers", form: "x=1", want: entity.Record{"x": "1"}},
		{name: "a value and a record", schema: "consumers", form: "a=1&a.b=2", err: "a: given as a value and as a record"},
		{
			name: "an index beyond all", schema: "routes", form: "paths[1001]=/a",
			err: `paths: index "1001" is not a number from 1 to 1000`,
		},
		{name: "no field", schema: "consumers", form: "[]=1", err: `form key "[]" is not a field`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := schemas.ByName(tt.schema)
			form, err := url.ParseQuery(tt.form)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.DecodeForm(form)
			switch {
			case tt.err == "" && err != nil:
				t.Error(err)
			case tt.err != "":
				if err == nil || err.Error() != tt.err && err.Error() != "schema violation ("+tt.err+")" {
					t.Errorf("%v, want %s", err, tt.err)
				}
			case !reflect.DeepEqual(got, tt.want):
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	s, _ := schemas.ByName("services")
	for _, tt := range []struct {
		name string
		body string
		want entity.Record
		err  string
	}{
		{name: "nothing", body: " ", want: entity.Record{}},
		{name: "an integer and a fraction", body: `{"port":81,"retries":0.5}`, want: entity.Record{"port": int64(81), "retries": 0.5}},
		{name: "an integer beyond int64", body: `{"port":1e30}`, want: entity.Record{"port": 1e30}},
		{name: "null", body: `{"path":null}`, want: entity.Record{"path": nil}},
		{name: "a list", body: `[]`, err: "Cannot parse JSON body"},
		{name: "two objects", body: `{}{}`, err: "Cannot parse JSON body"},
		{name: "half an object", body: `{"a":`, err: "Cannot parse JSON body"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.DecodeJSON([]byte(tt.body))
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("%v, want %s", err, tt.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestTargetsHaveAPort(t *testing.T) {
	for _, tt := range []struct{ target, want string }{
		{target: "h", want: "h:8000"},
		{target: "h:1", want: "h:1"},
		{target: "10.0.0.1", want: "10.0.0.1:8000"},
		{target: "[::1]:80", want: "[::1]:80"},
		{target: "::1", want: "[::1]:8000"},
	} {
		if got, err := entity.NormalizeTarget(tt.target); err != nil || got != tt.want {
			t.Errorf("%s: %s %v, want %s", tt.target, got, err, tt.want)
		}
	}
}

func TestAPluginSaysWhatItCannotBeTiedTo(t *testing.T) {
	const ref = `{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}`
	schema := &entity.PluginSchema{Name: "p", NoConsumer: true, NoRoute: true, NoService: true, Protocols: []string{"http"}}
	c := entity.NewCatalog([]*entity.PluginSchema{schema})
	for _, tt := range []refusedBody{
		{name: "a consumer", body: `{"name":"p","consumer":` + ref + `}`, want: "consumer: value must be null"},
		{name: "a route", body: `{"name":"p","route":` + ref + `}`, want: "route: value must be null"},
		{name: "a service", body: `{"name":"p","service":` + ref + `}`, want: "service: value must be null"},
		{name: "a protocol", body: `{"name":"p","protocols":["http","https"]}`, want: "protocols: expected one of: http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := entitytest.Insert(t, c, "plugins", tt.body)
			entitytest.Refused(t, err, tt.want)
		})
	}
	described := map[string]bool{}
	for _, f := range schema.Describe()["fields"].([]any) {
		for name, d := range f.(map[string]any) {
			_, restricted := d.(map[string]any)["eq"]
			described[name] = restricted
		}
	}
	want := map[string]bool{"protocols": false, "consumer": true, "route": true, "service": true, "config": false}
	if !reflect.DeepEqual(described, want) {
		t.Errorf("described %v, want %v", described, want)
	}
	r, err := entitytest.Insert(t, c, "plugins", `{"name":"p"}`)
	if err != nil || !reflect.DeepEqual(r["protocols"], []any{"http"}) || !reflect.DeepEqual(r["config"], map[string]any{}) {
		t.Errorf("defaults: %v %v", r, err)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	r, err := entitytest.Insert(t, schemas, "plugins",
		`{"name":"rate-limiting","config":{"minute":1,"policy":"redis","redis":{"host":"h","password":"hunter2"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := schemas.ByName("plugins")
	shown := s.Redact(r)
	if nested, flat := entitytest.At(shown, "config", "redis", "password"), entitytest.At(shown, "config",
		"redis_password"); nested != "***" || flat != "***" {
		t.Errorf("shown as %v and %v", nested, flat)
	}
	if entitytest.At(r, "config", "redis", "password") != "hunter2" {
		t.Error("the entity itself was changed")
	}
}
