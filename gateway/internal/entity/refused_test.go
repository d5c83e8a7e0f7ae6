package entity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestRefused(t *testing.T) {
	upstream := func(more string) string { return `{"name":"u.x",` + more + `}` }
	for _, c := range []struct{ schema, body, want string }{
		{schema: "upstreams", body: `{"name":"u","healthchecks":{"active":{"http_path":"/a b"}}}`, want: "http_path: invalid path"},
		{schema: "upstreams", body: `{"name":"u","healthchecks":{"active":{"http_path":"/a?b c"}}}`, want: "http_path: invalid query"},
		{schema: "routes", body: `{"protocols":["ws"],"paths":["/"]}`, want: "protocols: expected one of: grpc, grpcs, http, https"},
		{
			schema: "routes", body: `{"protocols":["grpc"]}`,
			want: "must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc' or 'grpcs'",
		},
		{schema: "routes", body: `{"protocols":["grpc"],"paths":["/"],"strip_path":true}`, want: "cannot set 'strip_path' when"},
		{schema: "routes", body: `{"protocols":["grpc"],"paths":["/"],"methods":["POST"]}`, want: "cannot set 'methods' when"},
		{schema: "routes", body: `{"protocols":["grpc","https"],"paths":["/"]}`, want: "protocols: "},
		{schema: "services", body: `{"host":"h","protocol":"grpc","path":"/a"}`, want: "path: value must be null"},
		{
			schema: "routes", body: `{"protocols":["http","ws"],"paths":["/"]}`,
			want: "protocols: these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')",
		},
		{schema: "routes", body: `{"protocols":["tls_passthrough"],"snis":["a"]}`, want: "protocols: expected one of: grpc, grpcs, http, https"},
		{schema: "routes", body: `{"protocols":["udp"],"sources":[{"port":1}]}`, want: "protocols: expected one of: grpc, grpcs, http, https"},
		{
			schema: "routes", body: `{"paths":["/"],"sources":[{"ip":"10.0.0.0/8"}]}`,
			want: "sources: cannot set 'sources' when 'protocols' is 'http' or 'https'",
		},
		{schema: "routes", body: `{"paths":["/"],"destinations":[{"port":80}]}`, want: "destinations: cannot set 'destinations' when"},
		{
			schema: "routes", body: `{"paths":["/"],"protocols":["http"],"snis":["a.com"]}`,
			want: "snis: 'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls', 'tls_passthrough', or 'wss'",
		},
		{schema: "routes", body: `{"paths":["/a/../b"]}`, want: "paths: non-normalized path, consider use '/b' instead"},
		{schema: "routes", body: `{"paths":["/a//b"]}`, want: "paths: must not have empty segments"},
		{schema: "routes", body: `{"paths":["~/a//b"]}`, want: "paths: must not have empty segments"},
		{schema: "routes", body: `{"paths":["/a/."]}`, want: "paths: non-normalized path, consider use '/a/' instead"},
		{schema: "routes", body: `{"paths":["/%61%2f"]}`, want: "paths: non-normalized path, consider use '/a%2F' instead"},
		{schema: "routes", body: `{"paths":["/a%zz"]}`, want: "paths: invalid url-encoded value: '%zz'"},
		{schema: "routes", body: `{"paths":["/a%"]}`, want: "paths: invalid url-encoded value: '%'"},
		{schema: "routes", body: `{"paths":["a"]}`, want: "paths: should start with: / (fixed path) or ~/ (regex path)"},
		{schema: "routes", body: `{"paths":["~a"]}`, want: "paths: should start with: / (fixed path) or ~/ (regex path)"},
		{schema: "routes", body: `{"paths":["~/("]}`, want: "paths: invalid regex: '/(' (error parsing regexp: missing closing )"},
		{schema: "routes", body: `{"paths":["~/a)(b"]}`, want: "unexpected )"},
		{
			schema: "routes", body: `{"paths":["/","~/re2/(?=a)(a+)+b$"]}`,
			want: "paths: invalid regex: '/re2/(?=a)(a+)+b$' (is too expensive: \"/re2/a",
		},
		{schema: "routes", body: `{"paths":["~/(a{1000}){1000}"]}`, want: "at most 1000 times"},
		{
			schema: "routes", body: `{"headers":{"x":["~*(?=a)(a+)+b$"]}}`,
			want: "headers: x: invalid regex: '(?=a)(a+)+b$' (is too expensive",
		},
		{schema: "routes", body: `{"headers":{"X-A":["1"],"x-a":["2"]}}`, want: "headers: 'X-A' and 'x-a' are the same header"},
		{schema: "routes", body: `{"headers":{"a b":["1"]}}`, want: "headers: bad header name 'a b'"},
		{schema: "routes", body: `{"methods":["get"]}`, want: "methods: invalid value: get"},
		{schema: "routes", body: `{"hosts":["a..b"]}`, want: "hosts: invalid value: a..b"},
		{schema: "routes", body: `{"hosts":["a.com.."]}`, want: "hosts: invalid value"},
		{schema: "routes", body: `{"hosts":["x@a"]}`, want: "hosts: invalid value"},
		{schema: "routes", body: `{"hosts":["a,b"]}`, want: "hosts: invalid value"},
		{schema: "routes", body: `{"hosts":["a:0"]}`, want: "the port should be a number from 1 to 65535"},
		{schema: "routes", body: `{"hosts":["[::1"]}`, want: "hosts: invalid value"},
		{schema: "routes", body: `{"hosts":["[::1%25eth0]"]}`, want: "hosts: invalid value"},
		{schema: "routes", body: `{"hosts":["a.*.b"]}`, want: "hosts: invalid wildcard: must be placed at leftmost or rightmost label"},
		{schema: "routes", body: `{"hosts":["*.a.*"]}`, want: "hosts: invalid wildcard: must have at most one wildcard"},
		{schema: "routes", body: `{"snis":["10.0.0.1"]}`, want: "snis: must not be an IP"},
		{schema: "routes", body: `{"snis":["a:443"]}`, want: "snis: must not have a port"},
		{schema: "services", body: `{"host":"h","protocol":"ws"}`, want: "protocol: expected one of: grpc, grpcs, http, https"},
		{schema: "services", body: `{"url":"wss://h"}`, want: "protocol: expected one of: grpc, grpcs, http, https"},
		{schema: "services", body: `{"url":"udp://h:1"}`, want: "protocol: expected one of: grpc, grpcs, http, https"},
		{schema: "services", body: `{"url":"http://u:p@h/"}`, want: "url: must be a protocol, a host, a port and a path"},
		{schema: "services", body: `{"url":"http://h/?a=b"}`, want: "url: must be a protocol"},
		{schema: "services", body: `{"host":"h:80"}`, want: "host: must not have a port"},
		{schema: "services", body: `{"host":"h","path":"/a b"}`, want: "path: invalid path: '/a b'"},
		{schema: "services", body: `{"host":"h","path":"/a%2"}`, want: "path: invalid url-encoded value: '%2'"},
		{
			schema: "services", body: `{"host":"h","tls_verify":true}`,
			want: "failed conditional validation given value of field 'protocol'",
		},
		{schema: "upstreams", body: upstream(`"hash_on":"none","hash_fallback":"ip"`), want: "hash_fallback: expected one of: none"},
		{
			schema: "upstreams", body: upstream(`"hash_on":"cookie","hash_on_cookie":"c","hash_fallback":"ip"`),
			want: "hash_fallback: expected one of: none",
		},
		{
			schema: "upstreams", body: upstream(`"hash_on":"ip","hash_fallback":"ip"`),
			want: "hash_fallback: expected one of: none, consumer, header, cookie, path, query_arg, uri_capture",
		},
		{schema: "upstreams", body: upstream(`"hash_on":"header"`), want: "hash_on_header: required field missing"},
		{schema: "upstreams", body: upstream(`"hash_on":"ip","hash_fallback":"cookie"`), want: "hash_on_cookie: required field missing"},
		{
			schema: "upstreams",
			body:   upstream(`"hash_on":"query_arg","hash_on_query_arg":"a","hash_fallback":"query_arg","hash_fallback_query_arg":"a"`),
			want:   "must be distinct: 'hash_on_query_arg', 'hash_fallback_query_arg'",
		},
		{schema: "upstreams", body: upstream(`"hash_on":"cookie","hash_on_cookie":"a;b"`), want: "hash_on_cookie: invalid cookie name"},
		{
			schema: "upstreams", body: upstream(`"healthchecks":{"active":{"type":"udp"}}`),
			want: "healthchecks.active.type: expected one of: tcp, http, https, grpc, grpcs",
		},
		{
			schema: "upstreams", body: upstream(`"healthchecks":{"passive":{"type":"tcp"}}`),
			want: "healthchecks.passive.type: expected one of: http, https, grpc, grpcs",
		},
		{
			schema: "plugins", body: `{"name":"key-auth","protocols":["tcp"]}`,
			want: "protocols: expected one of: grpc, grpcs, http, https",
		},
		{schema: "plugins", body: `{"name":"key-auth","protocols":["https"]}`, want: "protocols: must contain http"},
		{schema: "certificates", body: `{"cert":"x","key":"y","cert_alt":"z","key_alt":"w"}`, want: "cert_alt: value must be null: "},
		{
			schema: "snis", body: `{"name":"*.a.*","certificate":{"id":"` + lowerID + `"}}`,
			want: "name: only one wildcard must be specified",
		},
	} {
		_, err := insertJSON(t, c.schema, c.body)
		var e *entity.Error
		if !errors.As(err, &e) || e.Status() != 400 || e.Name != "schema violation" || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s %s: got %v\nwant %s", c.schema, c.body, err, c.want)
		}
	}
}

func TestTaken(t *testing.T) {
	for _, c := range []struct{ schema, body string }{
		{
			schema: "routes",
			body:   `{"hosts":["A.com.","b.com:8080","[::1]","[2001:DB8::1]:8443","::1","10.0.0.1:80","*.c.com","*.c.com.:80","d.*","my_app"]}`,
		},
		{schema: "routes", body: `{"paths":["/","/a/b/","/a%2Fb","/é","/a.b/..c","/a b","~/x/(?!y)\\w+$"]}`},
		{schema: "routes", body: `{"protocols":["https"],"snis":["a.com","b.com."]}`},
		{schema: "routes", body: `{"protocols":["grpcs"],"snis":["a.com"]}`},
		{schema: "routes", body: `{"protocols":["grpc","grpcs"],"paths":["/a.B/C"]}`},
		{schema: "services", body: `{"url":"grpc://h:9000"}`},
		{schema: "services", body: `{"url":"grpcs://h:9000/","tls_verify":true}`},
		{schema: "routes", body: `{"headers":{"X-A":["1","2"],"x_b":["~*^(?!bot).*$"]}}`},
		{schema: "routes", body: `{"methods":["GET","PURGE"]}`},
		{schema: "services", body: `{"url":"https://[::1]:8443/a%2Fb"}`},
		{schema: "services", body: `{"host":"my_upstream.x","path":"/a/b:c@d"}`},
		{
			schema: "upstreams",
			body: `{"name":"u.x","hash_on":"header","hash_on_header":"A",` +
				`"hash_fallback":"header","hash_fallback_header":"B","host_header":"h.x:8080"}`,
		},
		{schema: "upstreams", body: `{"name":"u.x","slots":17,"hash_on":"ip","hash_fallback":"cookie","hash_on_cookie":"c"}`},
		{schema: "plugins", body: `{"name":"key-auth","protocols":["http"]}`},
		{
			schema: "plugins",
			body:   `{"name":"rate-limiting","config":{"minute":1,"policy":"redis","redis":{"host":"{vault://env/redis-host}"}}}`,
		},
	} {
		if _, err := insertJSON(t, c.schema, c.body); err != nil {
			t.Errorf("%s %s: %v", c.schema, c.body, err)
		}
	}
}

// TestAnOldValueIsNotInTheWay: what was stored before a field had one value
// must not keep other fields from being changed.
func TestAnOldValueIsNotInTheWay(t *testing.T) {
	r, err := insertJSON(t, "plugins", `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1]}}`)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := r["config"].(map[string]any)
	c["disable_penalty"], c["dictionary_name"] = false, "mine"
	s, _ := schemas.ByName("plugins")
	changed, err := s.ProcessUpdate(r, entity.Record{"enabled": false}, time.Unix(1, 0))
	if err != nil || at(changed, "config", "disable_penalty") != true {
		t.Errorf("another field: %v %v", changed, err)
	}
	if _, err := s.ProcessUpdate(r, entity.Record{"config": map[string]any{"disable_penalty": false}}, time.Unix(1, 0)); err == nil {
		t.Error("the field itself: taken")
	}
}
