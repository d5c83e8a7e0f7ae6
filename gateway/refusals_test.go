package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// refused are the entries of refused_plugins in GET /status.
func (b *testGateway) refused() []any {
	b.t.Helper()
	list, ok := b.object("/status")["refused_plugins"].([]any)
	if !ok {
		b.t.Fatalf("GET /status has no refused_plugins: %v", b.object("/status"))
	}
	return list
}

// form posts a form and returns the status.
func (b *testGateway) form(path string, values url.Values) int {
	b.t.Helper()
	res, err := http.PostForm(b.admin+path, values)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func (b *testGateway) exports(line string) bool {
	return strings.Contains(b.get(b.status+"/metrics").text, "\n"+line+"\n")
}

// TestARouteWhosePluginWasRefusedIsShown has a route that serves without the
// plugin that was to guard it.
func TestARouteWhosePluginWasRefusedIsShown(t *testing.T) {
	b := boot(t)
	b.service()
	if got := b.refused(); len(got) != 0 || !b.exports("gateway_refused_plugins 0") {
		t.Fatalf("at the start: %v", got)
	}
	// decK asks for the schema, and stops where there is none.
	if r := b.get(b.admin + "/schemas/plugins/ldap-auth"); r.StatusCode != 404 {
		t.Fatalf("the schema of ldap-auth: %d", r.StatusCode)
	}
	got := b.refused()
	if len(got) != 1 || !b.exports("gateway_refused_plugins 1") {
		t.Fatalf("after the schema was asked for: %v", got)
	}
	first := got[0].(map[string]any)
	before, _ := first["changed_before"].([]any)
	if first["plugin"] != "ldap-auth" || len(before) != 2 ||
		before[0] != "service ai-api" || !strings.HasPrefix(before[1].(string), "route ") {
		t.Errorf("got %v, want the plugin, and the service and the route that were made before", first)
	}

	// Others send the plugin.
	b.post("/routes", "name=guarded", "paths[]=/guarded", "service.name=ai-api")
	for _, tt := range []struct {
		name, path, field, of string
		values                url.Values
	}{
		{
			name: "unknown, of a route", path: "/routes/guarded/plugins", field: "route", of: "guarded",
			values: url.Values{"name": {"hmac-auth-x"}},
		},
		{
			name: "invalid, of a service", path: "/services/ai-api/plugins", field: "service", of: "ai-api",
			values: url.Values{"name": {"key-auth"}, "config.key_names": {""}, "config.x": {"1"}},
		},
		{
			name: "by reference", path: "/plugins", field: "route", of: "guarded",
			values: url.Values{"name": {"acl"}, "route.name": {"guarded"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code := b.form(tt.path, tt.values); code != 400 {
				t.Fatalf("POST %s: %d", tt.path, code)
			}
			newest := b.refused()[0].(map[string]any)
			of, _ := newest[tt.field].(map[string]any)
			if newest["plugin"] != tt.values.Get("name") || of["name"] != tt.of || of["id"] == nil || newest["reason"] == "" {
				t.Errorf("got %v", newest)
			}
		})
	}
	if !b.exports("gateway_refused_plugins 4") || !b.exports("gateway_plugins_refused_total 4") {
		t.Errorf("metrics do not count 4")
	}
	// What is accepted in the end is no longer shown.
	b.post("/services/ai-api/plugins", "name=key-auth")
	for _, e := range b.refused() {
		if e.(map[string]any)["plugin"] == "key-auth" {
			t.Errorf("still shown: %v", e)
		}
	}
}
