package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestThePrometheusPluginTellsOfTheNode reads what Kong's published dashboard
// reads, beside what requests are counted in.
func TestThePrometheusPluginTellsOfTheNode(t *testing.T) {
	b := boot(t)
	origin := strings.TrimPrefix(b.origin.URL, "http://")
	b.post("/upstreams", "name=pool")
	b.post("/upstreams/pool/targets", "target="+origin)
	b.post("/services", "name=ai-api", "url=http://pool")
	b.post("/services/ai-api/routes", "paths[]=/ai")
	plugin := b.post("/plugins", "name=prometheus", "config.status_code_metrics=true", "config.latency_metrics=true",
		"config.bandwidth_metrics=true", "config.upstream_health_metrics=true")
	scrape := func() string { return b.get(b.status + "/metrics").text }
	b.eventually("the plugin counts", func() bool {
		return b.get(b.proxy+"/ai/a").StatusCode == 200 && strings.Contains(scrape(), "kong_http_requests_total{")
	})
	metrics := scrape()
	pid := regexp.QuoteMeta(`pid="` + strconv.Itoa(os.Getpid()) + `"`)
	for _, want := range []string{
		`kong_node_info\{node_id="replica",version="[^"]+"\} 1`,
		`kong_datastore_reachable 1`,
		`kong_nginx_requests_total\{node_id="replica",subsystem="http"\} [1-9]`,
		`kong_nginx_connections_total\{node_id="replica",state="accepted",subsystem="http"\} [1-9]`,
		`kong_nginx_connections_total\{node_id="replica",state="handled",subsystem="http"\} [1-9]`,
		`kong_nginx_connections_total\{node_id="replica",state="total",subsystem="http"\} [1-9]`,
		`kong_nginx_connections_total\{node_id="replica",state="active",subsystem="http"\} [1-9]`,
		`kong_nginx_connections_total\{node_id="replica",state="reading",subsystem="http"\} \d`,
		`kong_nginx_connections_total\{node_id="replica",state="writing",subsystem="http"\} \d`,
		`kong_nginx_connections_total\{node_id="replica",state="waiting",subsystem="http"\} \d`,
		`kong_nginx_timers\{state="running"\} \d`,
		`kong_nginx_timers\{state="pending"\} [1-9]`,
		`kong_memory_workers_lua_vms_bytes\{kong_subsystem="http",node_id="replica",` + pid + `\} [1-9]`,
		`kong_memory_lua_shared_dict_bytes\{kong_subsystem="http",node_id="replica",shared_dict="gatelab_cache"\} \d`,
		`kong_memory_lua_shared_dict_total_bytes\{kong_subsystem="http",node_id="replica",shared_dict="gatelab_cache"\} [1-9]`,
		`kong_upstream_target_health\{address="127.0.0.1:\d+",state="healthchecks_off",subsystem="http",` +
			`target="` + origin + `",upstream="pool"\} 1`,
		`kong_upstream_target_health\{address="127.0.0.1:\d+",state="healthy",subsystem="http",target="` + origin + `",upstream="pool"\} 0`,
		`kong_upstream_target_health\{address="127.0.0.1:\d+",state="unhealthy",subsystem="http",target="` + origin + `",upstream="pool"\} 0`,
		`kong_upstream_target_health\{address="127.0.0.1:\d+",state="dns_error",subsystem="http",target="` + origin + `",upstream="pool"\} 0`,
		`kong_http_requests_total\{code="200",consumer="",route="[^"]+",service="ai-api",source="service"\} [1-9]`,
		`kong_bandwidth_bytes\{consumer="",direction="egress",route="[^"]+",service="ai-api"\} [1-9]`,
		`kong_kong_latency_ms_bucket\{`, `kong_request_latency_ms_bucket\{`, `kong_upstream_latency_ms_bucket\{`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(metrics) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, "kong_n") || strings.HasPrefix(line, "kong_u") || strings.HasPrefix(line, "kong_m") {
				t.Log(line)
			}
		}
	}
	if b.postgres != nil {
		b.postgres.set(true)
		b.eventually("the database is told to be away", func() bool { return strings.Contains(scrape(), "kong_datastore_reachable 0") })
		b.postgres.set(false)
		b.eventually("the database is back", func() bool { return strings.Contains(scrape(), "kong_datastore_reachable 1") })
	}
	id, _ := plugin["id"].(string)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, b.admin+"/plugins/"+id,
		strings.NewReader(url.Values{"config.upstream_health_metrics": {"false"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("PATCH: %v %v", res, err)
	}
	_ = res.Body.Close()
	b.eventually("targets are told no more", func() bool { return !strings.Contains(scrape(), "kong_upstream_target_health{") })
	if got := b.send("DELETE", b.admin+"/plugins/"+id); got != 204 {
		t.Fatalf("DELETE: %d", got)
	}
	b.eventually("nothing is told without the plugin", func() bool { return !strings.Contains(scrape(), "kong_node_info{") })
}

// TestMetricsWithAnExhaustedPool scrapes a replica whose only connection of the
// pool is in use: a scrape that waited for another one would be given up by
// Prometheus when its alerts are about to need it.
func TestMetricsWithAnExhaustedPool(t *testing.T) {
	b := boot(t, "--pg-max-conns=1", "--pg-acquire-timeout=30s", "--pg-query-timeout=30s")
	b.post("/plugins", "name=prometheus")
	holder, err := pgx.Connect(t.Context(), b.direct)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close(context.WithoutCancel(t.Context())) }()
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE services IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		res, err := http.PostForm(b.admin+"/services", url.Values{"name": {"held"}, "url": {b.origin.URL}})
		if err == nil {
			err = res.Body.Close()
		}
		written <- err
	}()
	b.eventually("the pool is exhausted, and a scrape says so and that Postgres answers", func() bool {
		text := b.get(b.status + "/metrics").text
		return strings.Contains(text, "\n"+`gateway_postgres_connections{state="in_use"} 1`) &&
			strings.Contains(text, "\nkong_datastore_reachable 1")
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}
