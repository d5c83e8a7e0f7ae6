package cors

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"cors.origins":            `.: json:"origins" + .Origins`,
	"cors.headers":            `.: json:"headers" + .Headers`,
	"cors.exposed_headers":    `.: json:"exposed_headers" + .ExposedHeaders`,
	"cors.methods":            `.: json:"methods" + .Methods`,
	"cors.max_age":            `.: json:"max_age" + .MaxAge`,
	"cors.credentials":        `.: json:"credentials" + .Credentials`,
	"cors.preflight_continue": `.: json:"preflight_continue" + .PreflightContinue`,
	"cors.private_network":    `.: json:"private_network" + .PrivateNetwork`,
}

func TestSchema(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"cors": Definition().Config}, nil)
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"cors"}`)
	want := map[string]any{
		"origins": nil, "headers": nil, "exposed_headers": nil, "max_age": nil, "credentials": false, "preflight_continue": false,
		"private_network": false,
		"methods":         []any{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"},
	}
	if err != nil || !reflect.DeepEqual(r["config"], want) || Definition().Priority != 2000 {
		t.Errorf("config %v, %v", r["config"], err)
	}
	for config, want := range map[string]string{
		`{"origins":["a","("]}`:     "config.origins: '(' is not a valid regex",
		`{"methods":["get"]}`:       "config.methods: expected one of",
		`{"headers":["a b"]}`:       "config.headers: bad header name",
		`{"max_age":-1}`:            "config.max_age: value should be between",
		`{"allow_origin_absent":1}`: "config.allow_origin_absent: unknown field",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"cors","config":`+config+`}`)
		entitytest.Refused(t, err, want)
	}
}

type c = map[string]any

func TestRequests(t *testing.T) {
	upstream := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "http://upstream.test")
		w.Header().Set("X-Upstream", "yes")
		w.Header().Set("Vary", "Accept")
	})
	preflight := []string{"Access-Control-Request-Method:POST", "Access-Control-Request-Headers:x-a",
		"Access-Control-Request-Private-Network:true"}
	two := []any{"http://a.test", "https://b.test:443"}
	listed := []any{`https://.*\.a\.test`, "http://b.test"}
	const methods = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT"
	for _, tt := range []struct {
		name, origin string
		config       c
		preflight    bool
		want         string // by whom, then Allow-Origin; -Credentials; -Headers; -Methods; Max-Age; Private-Network; Expose; Vary
	}{
		{name: "no settings", origin: "http://x.test", want: "upstream *;;;;;;;Accept"},
		{name: "no origin", want: "upstream *;;;;;;;Accept"},
		{name: "a preflight request", origin: "http://x.test", preflight: true, want: "gateway *;;x-a;" + methods + ";;;;"},
		{
			name: "all settings", origin: "http://x.test", preflight: true,
			config: c{"origins": []any{"*"}, "headers": []any{"X-B", "X-C"}, "methods": []any{"GET"}, "max_age": 3600, "private_network": true},
			want:   "gateway *;;X-B,X-C;GET;3600;true;;",
		},
		{name: "left to the upstream", origin: "http://x.test", preflight: true, config: c{"preflight_continue": true},
			want: "upstream http://upstream.test;;;;;;;Accept"},
		{name: "exposed", origin: "http://x.test", config: c{"exposed_headers": []any{"X-A", "X-B"}}, want: "upstream *;;;;;;X-A,X-B;Accept"},
		{name: "one origin", origin: "http://x.test", config: c{"origins": []any{"http://a.test"}, "credentials": true},
			want: "upstream http://a.test;true;;;;;;Accept|Origin"},
		{name: "one of two", origin: "http://a.test:80", config: c{"origins": two}, want: "upstream http://a.test;;;;;;;Accept|Origin"},
		{name: "the other of two", origin: "https://b.test", config: c{"origins": two, "credentials": true},
			want: "upstream https://b.test;true;;;;;;Accept|Origin"},
		{name: "none of two", origin: "http://b.test", config: c{"origins": two, "credentials": true}, want: "upstream ;;;;;;;Accept|Origin"},
		{name: "none of two before a request", origin: "http://b.test", preflight: true, config: c{"origins": two, "credentials": true},
			want: "gateway ;;x-a;" + methods + ";;;;Origin"},
		{name: "no origin, of two", config: c{"origins": two}, want: "upstream ;;;;;;;Accept|Origin"},
		{name: "all with credentials", origin: "http://x.test", config: c{"credentials": true},
			want: "upstream http://x.test;true;;;;;;Accept|Origin"},
		{name: "an expression", origin: "https://api.a.test:8443", config: c{"origins": []any{`.*\.a\.test`}},
			want: "upstream https://api.a.test:8443;;;;;;;Accept|Origin"},
		{name: "an expression fits the whole host", origin: "https://x.a.test.evil.test", config: c{"origins": []any{`.*\.a\.test`}},
			want: "upstream ;;;;;;;Accept|Origin"},
		{name: "each of its alternatives too", origin: "https://a.test.evil.test", config: c{"origins": []any{`a\.test|b\.test$`}},
			want: "upstream ;;;;;;;Accept|Origin"},
		{name: "no origin: a query", origin: "https://evil.test?x.a.test", config: c{"origins": listed},
			want: "upstream ;;;;;;;Accept|Origin"},
		{name: "no origin: a fragment", origin: "https://evil.test#x.a.test", config: c{"origins": listed},
			want: "upstream ;;;;;;;Accept|Origin"},
		{name: "no origin: a backslash", origin: "https://evil.test\\.a.test", config: c{"origins": listed},
			want: "upstream ;;;;;;;Accept|Origin"},
		{name: "no origin: user information", origin: "https://x.a.test@evil.a.test", config: c{"origins": listed},
			want: "upstream ;;;;;;;Accept|Origin"},
		{name: "no origin: a list", origin: "https://evil.test, https://x.a.test", config: c{"origins": listed},
			want: "upstream ;;;;;;;Accept|Origin"},
		{name: "an expression with a scheme", origin: "http://api.a.test", config: c{"origins": []any{`https://.*\.a\.test`}},
			want: "upstream ;;;;;;;Accept|Origin"},
		{name: "an opaque origin", origin: "null", config: c{"origins": two}, want: "upstream ;;;;;;;Accept|Origin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := plugintest.Start(t, 0, upstream, []plugin.Definition{Definition()}, entity.Record{"name": "cors", "config": tt.config})
			method, header := http.MethodGet, []string(nil)
			if tt.preflight {
				method, header = http.MethodOptions, preflight
			}
			if tt.origin != "" {
				header = append([]string{"Origin:" + tt.origin}, header...)
			}
			res, _ := g.Send(t, method, "/", "", header...)
			got := "gateway "
			if res.Header.Get("X-Upstream") != "" {
				got = "upstream "
			}
			const p = "Access-Control-"
			for _, name := range []string{p + "Allow-Origin", p + "Allow-Credentials", p + "Allow-Headers", p + "Allow-Methods", p + "Max-Age",
				p + "Allow-Private-Network", p + "Expose-Headers"} {
				got += strings.Join(res.Header[name], "|") + ";"
			}
			if got += strings.Join(res.Header["Vary"], "|"); got != tt.want || res.StatusCode != http.StatusOK {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}
