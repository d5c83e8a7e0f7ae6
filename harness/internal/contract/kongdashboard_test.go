package contract

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/internal/testenv"
	"github.com/gatelab/gatelab/internal/testenv/gatewaytest"
)

// kongPanels are what the panels and variables of Kong's published dashboard
// ("Kong (official)", kong/plugins/prometheus/grafana in Kong's repository, of
// Kong 3) read: selectors with the labels that they match and group by. The
// label instance is Prometheus' own.
var kongPanels = []struct {
	panel, expr string
	labels      []string // of legends and groups
}{
	{panel: "variable instance, without which every other panel is empty", expr: `kong_nginx_connections_total`},
	{panel: "Nginx connection state", expr: `kong_nginx_connections_total{state=~"active"}`, labels: []string{"state"}},
	{panel: "Nginx connection state", expr: `kong_nginx_connections_total{state=~"reading"}`, labels: []string{"state"}},
	{panel: "Nginx connection state", expr: `kong_nginx_connections_total{state=~"writing"}`, labels: []string{"state"}},
	{panel: "Nginx connection state", expr: `kong_nginx_connections_total{state=~"waiting"}`, labels: []string{"state"}},
	{panel: "Total Connections", expr: `kong_nginx_connections_total{state="total"}`},
	{panel: "Handled Connections", expr: `kong_nginx_connections_total{state="handled"}`},
	{panel: "Accepted Connections", expr: `kong_nginx_connections_total{state="accepted"}`},
	{
		panel: "Kong shared memory usage by Node", expr: `kong_memory_lua_shared_dict_bytes{shared_dict!~"kong_process_events"}`,
		labels: []string{"shared_dict", "kong_subsystem"},
	},
	{
		panel: "Kong shared memory usage by Node", expr: `kong_memory_lua_shared_dict_total_bytes{shared_dict!~"kong_process_events"}`,
		labels: []string{"shared_dict", "kong_subsystem"},
	},
	{panel: "Kong worker Lua VM usage by Node", expr: `kong_memory_workers_lua_vms_bytes`, labels: []string{"pid", "kong_subsystem"}},
	{
		panel: "RPS per route/service by status code", expr: `kong_http_requests_total{service=~"$service",route=~"$route"}`,
		labels: []string{"service", "route", "code"},
	},
	{
		panel: "Kong Proxy Latency", expr: `kong_kong_latency_ms_bucket{service=~"$service",route=~"$route"}`,
		labels: []string{"service", "route", "le"},
	},
	{
		panel: "Request Time", expr: `kong_request_latency_ms_bucket{service=~"$service",route=~"$route"}`,
		labels: []string{"service", "route", "le"},
	},
	{
		panel: "Upstream Time", expr: `kong_upstream_latency_ms_bucket{service=~"$service",route=~"$route"}`,
		labels: []string{"service", "route", "le"},
	},
	{
		panel: "Egress per service/route", expr: `kong_bandwidth_bytes{direction="egress",service=~"$service",route=~"$route"}`,
		labels: []string{"service", "route"},
	},
	{
		panel: "Ingress per service/route", expr: `kong_bandwidth_bytes{direction="ingress",service=~"$service"}`,
		labels: []string{"service"},
	},
	{
		panel: "Healthy status", expr: `kong_upstream_target_health{state="healthy",upstream=~"$upstream"}`,
		labels: []string{"upstream", "target", "address"},
	},
	{
		panel: "Healthy status", expr: `kong_upstream_target_health{state="unhealthy",upstream=~"$upstream"}`,
		labels: []string{"upstream", "target", "address"},
	},
	{
		panel: "Healthy status", expr: `kong_upstream_target_health{state="dns_error",upstream=~"$upstream"}`,
		labels: []string{"upstream", "target", "address"},
	},
	{
		panel: "health table", expr: `kong_upstream_target_health{state="healthchecks_off",upstream=~"$upstream"}`,
		labels: []string{"upstream", "target", "address", "state"},
	},
}

// What Kong's own dashboard reads is exported by a gateway whose prometheus
// plugin has all of its parts on.
func TestKongsDashboardReadsWhatIsExported(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, and -short asks for tests without servers: run make test")
	}
	g := kongLikeGateway(t)
	var m readings.Metrics
	gatewaytest.Eventually(t, func() (err error) {
		if err := gatewaytest.OK(http.Get("http://" + g.Proxy + "/pair/1")); err != nil {
			return err
		}
		if m, err = readings.Scrape(t.Context(), g.Status); err == nil && m["kong_http_requests_total"] == nil {
			err = fmt.Errorf("the plugin has counted nothing yet")
		}
		return err
	})
	c := contract{exported: m}
	for _, p := range kongPanels {
		c.check(t, p.panel, p.expr, "")
		q, err := readPromQL(p.expr)
		if err != nil {
			t.Fatal(err)
		}
		selector := q.selectors[0]
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
func kongLikeGateway(t *testing.T) *gatewaytest.Process {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(origin.Close)
	g := gatewaytest.Start(t, gatewaytest.Build(t), testenv.Postgres(t))
	for _, step := range []struct{ path, body string }{
		{"/plugins", `{"name": "prometheus", "config": {"per_consumer": true, "status_code_metrics": true, "latency_metrics": true,
			"bandwidth_metrics": true, "upstream_health_metrics": true}}`},
		{"/upstreams", `{"name": "pair"}`},
		{"/upstreams/pair/targets", fmt.Sprintf(`{"target": %q}`, strings.TrimPrefix(origin.URL, "http://"))},
		{"/services", `{"name": "pair", "host": "pair"}`},
		{"/services/pair/routes", `{"name": "pair", "paths": ["/pair"]}`},
	} {
		if err := gatewaytest.OK(http.Post("http://"+g.Admin+step.path, "application/json", strings.NewReader(step.body))); err != nil {
			t.Fatal(err)
		}
	}
	return g
}
