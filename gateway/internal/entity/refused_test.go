package entity

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRefused(t *testing.T) {
	upstream := func(more string) string { return `{"name":"u.x",` + more + `}` }
	advanced := func(more string) string {
		return `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],` + more + `}}`
	}
	for _, c := range []struct{ schema, body, want string }{
		{"routes", `{"protocols":["grpc"],"paths":["/"]}`, "protocols: expected one of: http, https"},
		{"routes", `{"protocols":["http","ws"],"paths":["/"]}`, "protocols: these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')"},
		{"routes", `{"protocols":["tls_passthrough"],"snis":["a"]}`, "protocols: expected one of: http, https"},
		{"routes", `{"protocols":["udp"],"sources":[{"port":1}]}`, "protocols: expected one of: http, https"},
		{"routes", `{"paths":["/"],"sources":[{"ip":"10.0.0.0/8"}]}`, "sources: cannot set 'sources' when 'protocols' is 'http' or 'https'"},
		{"routes", `{"paths":["/"],"destinations":[{"port":80}]}`, "destinations: cannot set 'destinations' when"},
		{"routes", `{"paths":["/"],"protocols":["http"],"snis":["a.com"]}`, "snis: 'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls', 'tls_passthrough', or 'wss'"},
		{"routes", `{"paths":["/a/../b"]}`, "paths: non-normalized path, consider use '/b' instead"},
		{"routes", `{"paths":["/a//b"]}`, "paths: must not have empty segments"},
		{"routes", `{"paths":["~/a//b"]}`, "paths: must not have empty segments"},
		{"routes", `{"paths":["/a/."]}`, "paths: non-normalized path, consider use '/a/' instead"},
		{"routes", `{"paths":["/%61%2f"]}`, "paths: non-normalized path, consider use '/a%2F' instead"},
		{"routes", `{"paths":["/a%zz"]}`, "paths: invalid url-encoded value: '%zz'"},
		{"routes", `{"paths":["/a%"]}`, "paths: invalid url-encoded value: '%'"},
		{"routes", `{"paths":["a"]}`, "paths: should start with: / (fixed path) or ~/ (regex path)"},
		{"routes", `{"paths":["~a"]}`, "paths: should start with: / (fixed path) or ~/ (regex path)"},
		{"routes", `{"paths":["~/("]}`, "paths: invalid regex: '/(' (error parsing regexp: missing closing )"},
		{"routes", `{"paths":["~/a)(b"]}`, "unexpected )"},
		{"routes", `{"paths":["/","~/re2/(?=a)(a+)+b$"]}`, "paths: invalid regex: '/re2/(?=a)(a+)+b$' (is too expensive: \"/re2/a"},
		{"routes", `{"paths":["~/(a{1000}){1000}"]}`, "at most 1000 times"},
		{"routes", `{"headers":{"x":["~*(?=a)(a+)+b$"]}}`, "headers: x: invalid regex: '(?=a)(a+)+b$' (is too expensive"},
		{"routes", `{"headers":{"X-A":["1"],"x-a":["2"]}}`, "headers: 'X-A' and 'x-a' are the same header"},
		{"routes", `{"headers":{"a b":["1"]}}`, "headers: bad header name 'a b'"},
		{"routes", `{"methods":["get"]}`, "methods: invalid value: get"},
		{"routes", `{"hosts":["a..b"]}`, "hosts: invalid value: a..b"},
		{"routes", `{"hosts":["a.com.."]}`, "hosts: invalid value"},
		{"routes", `{"hosts":["x@a"]}`, "hosts: invalid value"},
		{"routes", `{"hosts":["a,b"]}`, "hosts: invalid value"},
		{"routes", `{"hosts":["a:0"]}`, "the port should be a number from 1 to 65535"},
		{"routes", `{"hosts":["[::1"]}`, "hosts: invalid value"},
		{"routes", `{"hosts":["[::1%25eth0]"]}`, "hosts: invalid value"},
		{"routes", `{"hosts":["a.*.b"]}`, "hosts: invalid wildcard: must be placed at leftmost or rightmost label"},
		{"routes", `{"hosts":["*.a.*"]}`, "hosts: invalid wildcard: must have at most one wildcard"},
		{"routes", `{"snis":["10.0.0.1"]}`, "snis: must not be an IP"},
		{"routes", `{"snis":["a:443"]}`, "snis: must not have a port"},
		{"services", `{"host":"h","protocol":"grpc"}`, "protocol: expected one of: http, https"},
		{"services", `{"url":"wss://h"}`, "protocol: expected one of: http, https"},
		{"services", `{"url":"udp://h:1"}`, "protocol: expected one of: http, https"},
		{"services", `{"url":"http://u:p@h/"}`, "url: must be a protocol, a host, a port and a path"},
		{"services", `{"url":"http://h/?a=b"}`, "url: must be a protocol"},
		{"services", `{"host":"h:80"}`, "host: must not have a port"},
		{"services", `{"host":"h","path":"/a b"}`, "path: invalid path: '/a b'"},
		{"services", `{"host":"h","path":"/a%2"}`, "path: invalid url-encoded value: '%2'"},
		{"services", `{"host":"h","tls_verify":true}`, "failed conditional validation given value of field 'protocol'"},
		{"upstreams", upstream(`"hash_on":"none","hash_fallback":"ip"`), "hash_fallback: expected one of: none"},
		{"upstreams", upstream(`"hash_on":"cookie","hash_on_cookie":"c","hash_fallback":"ip"`), "hash_fallback: expected one of: none"},
		{"upstreams", upstream(`"hash_on":"ip","hash_fallback":"ip"`), "hash_fallback: expected one of: none, consumer, header, cookie, path, query_arg, uri_capture"},
		{"upstreams", upstream(`"hash_on":"header"`), "hash_on_header: required field missing"},
		{"upstreams", upstream(`"hash_on":"ip","hash_fallback":"cookie"`), "hash_on_cookie: required field missing"},
		{"upstreams", upstream(`"hash_on":"query_arg","hash_on_query_arg":"a","hash_fallback":"query_arg","hash_fallback_query_arg":"a"`), "must be distinct: 'hash_on_query_arg', 'hash_fallback_query_arg'"},
		{"upstreams", upstream(`"hash_on":"cookie","hash_on_cookie":"a;b"`), "hash_on_cookie: invalid cookie name"},
		{"upstreams", upstream(`"healthchecks":{"active":{"type":"grpc"}}`), "healthchecks.active.type: expected one of: tcp, http, https"},
		{"upstreams", upstream(`"healthchecks":{"passive":{"type":"tcp"}}`), "healthchecks.passive.type: expected one of: http, https"},
		{"plugins", `{"name":"key-auth","protocols":["tcp"]}`, "protocols: expected one of: grpc, grpcs, http, https"},
		{"plugins", `{"name":"key-auth","protocols":["https"]}`, "protocols: must contain http"},
		{"plugins", `{"name":"proxy-cache","config":{"memory":{"dictionary_name":"mine"}}}`, "config.memory.dictionary_name: value must be kong_db_cache: "},
		{"plugins", advanced(`"dictionary_name":"mine"`), "config.dictionary_name: value must be kong_rate_limiting_counters: "},
		{"plugins", advanced(`"disable_penalty":false`), "config.disable_penalty: value must be true: "},
		{"plugins", `{"name":"proxy-cache","config":{"strategy":"redis","redis":{"host":"a b"}}}`, "config.redis.host: invalid value: a b"},
		{"certificates", `{"cert":"x","key":"y","cert_alt":"z","key_alt":"w"}`, "cert_alt: value must be null: "},
		{"snis", `{"name":"*.a.*","certificate":{"id":"` + lowerID + `"}}`, "name: only one wildcard must be specified"},
	} {
		_, err := insertJSON(t, c.schema, c.body)
		var e *Error
		if !errors.As(err, &e) || e.Status() != 400 || e.Name != "schema violation" || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s %s: got %v\nwant %s", c.schema, c.body, err, c.want)
		}
	}
}

func TestTaken(t *testing.T) {
	for _, c := range []struct{ schema, body string }{
		{"routes", `{"hosts":["A.com.","b.com:8080","[::1]","[2001:DB8::1]:8443","::1","10.0.0.1:80","*.c.com","*.c.com.:80","d.*","my_app"]}`},
		{"routes", `{"paths":["/","/a/b/","/a%2Fb","/é","/a.b/..c","/a b","~/x/(?!y)\\w+$"]}`},
		{"routes", `{"protocols":["https"],"snis":["a.com","b.com."]}`},
		{"routes", `{"headers":{"X-A":["1","2"],"x_b":["~*^(?!bot).*$"]}}`},
		{"routes", `{"methods":["GET","PURGE"]}`},
		{"services", `{"url":"https://[::1]:8443/a%2Fb"}`},
		{"services", `{"host":"my_upstream.x","path":"/a/b:c@d"}`},
		{"upstreams", `{"name":"u.x","hash_on":"header","hash_on_header":"A","hash_fallback":"header","hash_fallback_header":"B","host_header":"h.x:8080"}`},
		{"upstreams", `{"name":"u.x","slots":17,"hash_on":"ip","hash_fallback":"cookie","hash_on_cookie":"c"}`},
		{"plugins", `{"name":"key-auth","protocols":["http"]}`},
		{"plugins", `{"name":"rate-limiting","config":{"minute":1,"policy":"redis","redis":{"host":"{vault://env/redis-host}"}}}`},
	} {
		if _, err := insertJSON(t, c.schema, c.body); err != nil {
			t.Errorf("%s %s: %v", c.schema, c.body, err)
		}
	}
}

// TestFamilies: the rules of the families that the gateway does not proxy yet.
func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		r    Record
		want string
	}{
		{Record{"protocols": []any{"grpc"}, "strip_path": true}, "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'"},
		{Record{"protocols": []any{"grpcs"}, "methods": []any{"GET"}}, "cannot set 'methods' when"},
		{Record{"protocols": []any{"tcp"}, "paths": []any{"/"}}, "cannot set 'paths' when"},
		{Record{"protocols": []any{"grpc"}, "strip_path": false}, ""},
		{Record{"protocols": []any{"tls"}, "snis": []any{"a"}}, ""},
	} {
		errs := familyFields(c.r)
		if text := SchemaError(errs).Message; len(errs) > 0 != (c.want != "") || !strings.Contains(text, c.want) {
			t.Errorf("%v: %v, want %q", c.r, errs, c.want)
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
	s, _ := ByName("plugins")
	changed, err := s.ProcessUpdate(r, Record{"enabled": false}, time.Unix(1, 0))
	if err != nil || at(changed, "config", "disable_penalty") != true {
		t.Errorf("another field: %v %v", changed, err)
	}
	if _, err := s.ProcessUpdate(r, Record{"config": map[string]any{"disable_penalty": false}}, time.Unix(1, 0)); err == nil {
		t.Error("the field itself: taken")
	}
}
