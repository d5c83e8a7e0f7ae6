package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kong/go-kong/kong"

	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/store"
	"github.com/gatelab/gatelab/internal/testenv"
)

func start(t *testing.T) (string, *store.Postgres) {
	t.Helper()
	ctx := context.Background()
	p, err := store.Open(ctx, store.Config{DSN: testenv.Postgres(t), AcquireTimeout: 30 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	c := Config{Schemas: all.Plugins().Catalog(), Version: "3.4.2", NodeID: "n", ProxyListen: "0.0.0.0:8000"}
	srv := httptest.NewServer(New(c, p, slog.New(slog.DiscardHandler)))
	t.Cleanup(srv.Close)
	return srv.URL, p
}

func send(t *testing.T, method, url, contentType, body string) (int, map[string]any, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatalf("%s %s: %s", method, url, raw)
		}
	}
	return res.StatusCode, out, res.Header
}

const form = "application/x-www-form-urlencoded"

func TestTheFiveCalls(t *testing.T) {
	base, _ := start(t)
	for _, c := range [][2]string{
		{"/services", "name=ai-api&url=http://origin:9000"},
		{"/services/ai-api/routes", "paths[]=/ai&strip_path=false"},
		{"/plugins", "name=proxy-cache&config.strategy=redis&config.redis.host=redis&config.redis.port=6379" +
			"&config.content_type[]=application/json&config.cache_ttl=300&config.cache_control=true"},
		{"/plugins", "name=rate-limiting&config.minute=100&config.hour=5000&config.policy=redis&config.redis_host=redis"},
		{"/plugins", "name=rate-limiting-advanced&config.limit[]=100&config.window_size[]=60&config.identifier=consumer&config.sync_rate=-1"},
	} {
		if code, out, _ := send(t, "POST", base+c[0], form, c[1]); code != 201 || out["id"] == nil {
			t.Errorf("%s %s: %d %v", c[0], c[1], code, out)
		}
	}
}

func TestGoKongWorksAgainstIt(t *testing.T) {
	base, _ := start(t)
	ctx := context.Background()
	c, err := kong.NewClient(&base, nil)
	if err != nil {
		t.Fatal(err)
	}
	if root, err := c.Root(ctx); err != nil || root["version"] != "3.4.2" {
		t.Fatalf("root: %v %v", root, err)
	}
	svc, err := c.Services.Create(ctx, &kong.Service{Name: kong.String("s"), Host: kong.String("h")})
	if err != nil || *svc.Port != 80 || *svc.Retries != 5 {
		t.Fatalf("service: %v %v", svc, err)
	}
	route, err := c.Routes.CreateInService(ctx, svc.ID, &kong.Route{Name: kong.String("r"), Paths: kong.StringSlice("/a")})
	if err != nil || *route.Service.ID != *svc.ID {
		t.Fatalf("route: %v %v", route, err)
	}
	svc.Host = kong.String("h2")
	if svc, err = c.Services.Update(ctx, svc); err != nil || *svc.Host != "h2" {
		t.Fatalf("update: %v %v", svc, err)
	}
	if got, err := c.Services.GetForRoute(ctx, route.ID); err != nil || *got.ID != *svc.ID {
		t.Fatalf("service of the route: %v %v", got, err)
	}
	consumer, err := c.Consumers.Create(ctx, &kong.Consumer{Username: kong.String("u")})
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.KeyAuths.Create(ctx, consumer.Username, &kong.KeyAuth{Key: kong.String("k")})
	if err != nil || *key.Key != "k" {
		t.Fatalf("key: %v %v", key, err)
	}
	if keys, _, err := c.KeyAuths.ListForConsumer(ctx, consumer.Username, nil); err != nil || len(keys) != 1 {
		t.Fatalf("keys: %v %v", keys, err)
	}
	limit := &kong.Plugin{Name: kong.String("rate-limiting"), Config: kong.Configuration{"minute": 5}}
	plugin, err := c.Plugins.CreateForRoute(ctx, route.ID, limit)
	if err != nil || *plugin.Route.ID != *route.ID {
		t.Fatalf("plugin: %v %v", plugin, err)
	}
	up, err := c.Upstreams.Create(ctx, &kong.Upstream{Name: kong.String("up.pool")})
	if err != nil || *up.Slots != 10000 {
		t.Fatalf("upstream: %v %v", up, err)
	}
	if _, err := c.Targets.Create(ctx, up.ID, &kong.Target{Target: kong.String("10.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	targets, err := c.Targets.ListAll(ctx, up.ID)
	if err != nil || len(targets) != 1 || *targets[0].Target != "10.0.0.1:8000" {
		t.Fatalf("targets: %v %v", targets, err)
	}
	for i := range 5 {
		if _, err := c.Consumers.Create(ctx, &kong.Consumer{Username: kong.String(string(rune('a' + i)))}); err != nil {
			t.Fatal(err)
		}
	}
	list, next, err := c.Consumers.List(ctx, &kong.ListOpt{Size: 4})
	if err != nil || len(list) != 4 || next == nil {
		t.Fatalf("page 1: %d %v %v", len(list), next, err)
	}
	if list, next, err = c.Consumers.List(ctx, next); err != nil || len(list) != 2 || next != nil {
		t.Fatalf("page 2: %d %v %v", len(list), next, err)
	}
	if _, err := c.Services.Get(ctx, kong.String("absent")); !kong.IsNotFoundErr(err) {
		t.Errorf("absent: %v", err)
	}
	if err := c.Services.Delete(ctx, svc.ID); err == nil || !strings.Contains(err.Error(), "references this") {
		t.Errorf("deleting what is in use: %v", err)
	}
	if schema, err := c.Schemas.Get(ctx, "services"); err != nil || schema["fields"] == nil {
		t.Errorf("schema: %v", err)
	}
	if schema, err := c.Plugins.GetFullSchema(ctx, kong.String("proxy-cache")); err != nil || schema["fields"] == nil {
		t.Errorf("plugin schema: %v", err)
	}
}

func TestAnswersAreKongs(t *testing.T) {
	base, _ := start(t)
	js := "application/json"
	send(t, "POST", base+"/services", js, `{"name":"s","host":"h"}`)
	send(t, "POST", base+"/upstreams", js, `{"name":"u.x"}`)
	for _, c := range []struct {
		name, method, path, kind, body string
		code                           int
		message                        string
	}{
		{name: "a path that is none", method: "GET", path: "/nothing", code: 404, message: "Not found"},
		{name: "a method that is none", method: "DELETE", path: "/services", code: 405, message: "Method not allowed"},
		{
			name: "malformed JSON", method: "POST", path: "/services", kind: js, body: `{"name":`, code: 400,
			message: "Cannot parse JSON body",
		},
		{
			name: "a content type that is none", method: "POST", path: "/services", kind: "text/plain", body: "x",
			code:    415,
			message: "Unsupported Media Type: want application/json, application/x-www-form-urlencoded or multipart/form-data",
		},
		{
			name: "a violation", method: "POST", path: "/services", kind: js, body: `{}`, code: 400,
			message: "schema violation (host: required field missing)",
		},
		{
			name: "a name twice", method: "POST", path: "/services", kind: js, body: `{"name":"s","host":"h"}`, code: 409,
			message: `UNIQUE violation detected on '{name="s"}'`,
		},
		{
			name: "PATCH of what is absent", method: "PATCH", path: "/services/x", kind: js, body: `{}`, code: 404,
			message: "Not found",
		},
		{
			name: "PUT of an absent target", method: "PUT", path: "/upstreams/u.x/targets/h:1", kind: js, body: `{}`,
			code: 404, message: "Not found",
		},
		{name: "PUT by name", method: "PUT", path: "/services/new", kind: js, body: `{"host":"h"}`, code: 200},
		{
			name: "a page too large", method: "GET", path: "/services?size=1001", code: 400,
			message: "size must be an integer between 1 and 1000",
		},
		{name: "a false offset", method: "GET", path: "/services?offset=zzz", code: 500},
		{
			name: "a route by the service's name", method: "POST", path: "/routes", kind: js,
			body: `{"paths":["/x"],"service":{"name":"s"}}`, code: 201,
		},
		{
			name: "a body too large", method: "POST", path: "/services", kind: js,
			body: `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, code: 413, message: "request body is too large",
		},
		{
			name: "validation only", method: "POST", path: "/schemas/services/validate", kind: js, body: `{"host":"h"}`,
			code: 200, message: "schema validation successful",
		},
		{name: "an unknown schema", method: "GET", path: "/schemas/nope", code: 404, message: "No entity named 'nope'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, _ := send(t, c.method, base+c.path, c.kind, c.body)
			if c.name == "a false offset" {
				if code < 400 || out["message"] == nil {
					t.Errorf("%d %v", code, out)
				}
				return
			}
			if code != c.code || c.message != "" && out["message"] != c.message {
				t.Errorf("got %d %v, want %d %s", code, out["message"], c.code, c.message)
			}
		})
	}
	if code, _, _ := send(t, "DELETE", base+"/services/absent", "", ""); code != 204 {
		t.Errorf("deleting what is absent: %d", code)
	}
	_, _, h := send(t, "OPTIONS", base+"/services", "", "")
	if h.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
		t.Errorf("Allow is %q", h.Get("Allow"))
	}
}

func TestWhoDidWhat(t *testing.T) {
	base, _ := start(t)
	req, _ := http.NewRequest("POST", base+"/services", strings.NewReader(url.Values{"name": {"s"}, "host": {"h"}}.Encode()))
	req.Header.Set("Content-Type", form)
	req.Header.Set("X-Gatelab-Actor", "anna")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	_, out, _ := send(t, "GET", base+"/revisions", "", "")
	list, _ := out["data"].([]any)
	if len(list) != 1 {
		t.Fatalf("revisions: %v", out)
	}
	rev := list[0].(map[string]any)
	if rev["actor"] != "claimed:anna" || rev["operation"] != "insert" || rev["entity"] != "services" {
		t.Errorf("revision: %v", rev)
	}
}
