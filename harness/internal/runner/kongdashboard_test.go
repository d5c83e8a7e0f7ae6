package runner

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"gatelab/internal/testenv"
)

// kongPanels are what the panels and variables of Kong's published dashboard
// ("Kong (official)", kong/plugins/prometheus/grafana in Kong's repository, of
// Kong 3) read: selectors with the labels that they match and group by. The
// label instance is Prometheus' own.
var kongPanels = []struct {
	panel, expr string
	labels      []string // of legends and groups
}{
	{"variable instance, without which every other panel is empty", `kong_nginx_connections_total`, nil},
	{"Nginx connection state", `kong_nginx_connections_total{state=~"active"}`, []string{"state"}},
	{"Nginx connection state", `kong_nginx_connections_total{state=~"reading"}`, []string{"state"}},
	{"Nginx connection state", `kong_nginx_connections_total{state=~"writing"}`, []string{"state"}},
	{"Nginx connection state", `kong_nginx_connections_total{state=~"waiting"}`, []string{"state"}},
	{"Total Connections", `kong_nginx_connections_total{state="total"}`, nil},
	{"Handled Connections", `kong_nginx_connections_total{state="handled"}`, nil},
	{"Accepted Connections", `kong_nginx_connections_total{state="accepted"}`, nil},
	{"Kong shared memory usage by Node", `kong_memory_lua_shared_dict_bytes{shared_dict!~"kong_process_events"}`, []string{"shared_dict", "kong_subsystem"}},
	{"Kong shared memory usage by Node", `kong_memory_lua_shared_dict_total_bytes{shared_dict!~"kong_process_events"}`, []string{"shared_dict", "kong_subsystem"}},
	{"Kong worker Lua VM usage by Node", `kong_memory_workers_lua_vms_bytes`, []string{"pid", "kong_subsystem"}},
	{"RPS per route/service by status code", `kong_http_requests_total{service=~"$service",route=~"$route"}`, []string{"service", "route", "code"}},
	{"Kong Proxy Latency", `kong_kong_latency_ms_bucket{service=~"$service",route=~"$route"}`, []string{"service", "route", "le"}},
	{"Request Time", `kong_request_latency_ms_bucket{service=~"$service",route=~"$route"}`, []string{"service", "route", "le"}},
	{"Upstream Time", `kong_upstream_latency_ms_bucket{service=~"$service",route=~"$route"}`, []string{"service", "route", "le"}},
	{"Egress per service/route", `kong_bandwidth_bytes{direction="egress",service=~"$service",route=~"$route"}`, []string{"service", "route"}},
	{"Ingress per service/route", `kong_bandwidth_bytes{direction="ingress",service=~"$service"}`, []string{"service"}},
	{"Healthy status", `kong_upstream_target_health{state="healthy",upstream=~"$upstream"}`, []string{"upstream", "target", "address"}},
	{"Healthy status", `kong_upstream_target_health{state="unhealthy",upstream=~"$upstream"}`, []string{"upstream", "target", "address"}},
	{"Healthy status", `kong_upstream_target_health{state="dns_error",upstream=~"$upstream"}`, []string{"upstream", "target", "address"}},
	{"health table", `kong_upstream_target_health{state="healthchecks_off",upstream=~"$upstream"}`, []string{"upstream", "target", "address", "state"}},
}

// What Kong's own dashboard reads is exported by a gateway whose prometheus
// plugin has all of its parts on.
func TestKongsDashboardReadsWhatIsExported(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, and -short asks for tests without servers: run make test")
	}
	g := kongLikeGateway(t)
	var m metrics
	eventually(t, func() (err error) {
		if err := ok(http.Get("http://" + g.proxy + "/pair/1")); err != nil {
			return err
		}
		if m, err = scrape(t.Context(), g.status); err == nil && m["kong_http_requests_total"] == nil {
			err = fmt.Errorf("the plugin has counted nothing yet")
		}
		return err
	})
	c := contract{exported: m}
	for _, p := range kongPanels {
		c.check(t, p.panel, p.expr, "")
		selector := readPromQL(p.expr).selectors[0]
		have := c.labels(selector.metric)
		for _, l := range p.labels {
			if have != nil && have[l] == nil {
				t.Errorf("%s: %s has no label %s", p.panel, selector.metric, l)
			}
		}
	}
	if v := c.labels("kong_http_requests_total")["source"]; !slices.Contains(v, "service") {
		t.Errorf("source is %q, Kong says service of what an upstream answered", v)
	}
}

// kongLikeGateway has the plugin on, globally, and an upstream of one target.
func kongLikeGateway(t *testing.T) *gatewayProcess {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(origin.Close)
	g := newGateway(t, buildGateway(t), testenv.Postgres(t))
	for _, step := range []struct{ path, body string }{
		{"/plugins", `{"name": "prometheus", "config": {"per_consumer": true, "status_code_metrics": true, "latency_metrics": true,
			"bandwidth_metrics": true, "upstream_health_metrics": true}}`},
		{"/upstreams", `{"name": "pair"}`},
		{"/upstreams/pair/targets", fmt.Sprintf(`{"target": %q}`, strings.TrimPrefix(origin.URL, "http://"))},
		{"/services", `{"name": "pair", "host": "pair"}`},
		{"/services/pair/routes", `{"name": "pair", "paths": ["/pair"]}`},
	} {
		if err := ok(http.Post("http://"+g.admin+step.path, "application/json", strings.NewReader(step.body))); err != nil {
			t.Fatal(err)
		}
	}
	return g
}
