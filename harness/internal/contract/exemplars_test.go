package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/collector"
	"github.com/gatelab/gatelab/internal/testenv"
	"github.com/gatelab/gatelab/internal/testenv/gatewaytest"
)

// tracedGateway is a gateway that traces all requests of one service to a collector, and none of another one.
func tracedGateway(t *testing.T, collector string) *gatewaytest.Process {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(origin.Close)
	g := gatewaytest.Start(t, gatewaytest.Build(t), testenv.Postgres(t))
	tracing := func(rate int) string {
		return fmt.Sprintf(`{"name": "opentelemetry", "config": {"endpoint": %q, "sampling_rate": %d}}`, collector+"/v1/traces", rate)
	}
	for _, step := range []struct{ path, body string }{
		{"/services", fmt.Sprintf(`{"name": "traced", "url": %q}`, origin.URL)},
		{"/services", fmt.Sprintf(`{"name": "untraced", "url": %q}`, origin.URL)},
		{"/services/traced/routes", `{"name": "traced", "paths": ["/traced"]}`},
		{"/services/untraced/routes", `{"name": "untraced", "paths": ["/untraced"]}`},
		{"/services/traced/plugins", tracing(1)},
		{"/services/untraced/plugins", tracing(0)},
	} {
		res, err := http.Post("http://"+g.Admin+step.path, "application/json", strings.NewReader(step.body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			t.Fatalf("POST %s: %d %s", step.path, res.StatusCode, text)
		}
	}
	return g
}

// metricsAs is what a gateway exports to who accepts that.
func metricsAs(t *testing.T, status, accept string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+status+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var exemplar = regexp.MustCompile(`(gateway_\w+_seconds)_bucket\{.*service="(\w+)".*\} \d+ # \{trace_id="([0-9a-f]{32})"\}`)

// A latency in the metrics leads to its trace: the exemplars of the gateway's histograms name traces that the collector has.
func TestExemplarsLeadToTraces(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, and -short asks for tests without servers: run make test")
	}
	handler, err := collector.Handler(collector.Config{Listen: "127.0.0.1:0", Traces: 10})
	if err != nil {
		t.Fatal(err)
	}
	traces := httptest.NewServer(handler)
	t.Cleanup(traces.Close)
	g := tracedGateway(t, traces.URL)
	for _, path := range []string{"/traced/a", "/untraced/a"} {
		gatewaytest.Eventually(t, func() error { return gatewaytest.OK(http.Get("http://" + g.Proxy + path)) })
	}
	const openMetrics = "application/openmetrics-text; version=1.0.0"
	var exemplars [][]string
	gatewaytest.Eventually(t, func() error { // a request is counted when its client has the response
		exemplars = exemplar.FindAllStringSubmatch(metricsAs(t, g.Status, openMetrics), -1)
		if len(exemplars) < 3 {
			return fmt.Errorf("%d exemplars", len(exemplars))
		}
		return nil
	})
	found := map[string]bool{}
	for _, m := range exemplars {
		if m[2] != "traced" {
			t.Errorf("%s has an exemplar of a request that was not sampled: %s", m[1], m[0])
		}
		found[m[1]] = true
		gatewaytest.Eventually(t, func() error { return hasTrace(traces.URL, m[3], "kong") })
	}
	const request = "gateway_request_duration_seconds"
	for _, name := range []string{request, "gateway_upstream_duration_seconds", "gateway_overhead_duration_seconds"} {
		if !found[name] {
			t.Errorf("%s has no exemplar", name)
		}
	}
	if text := metricsAs(t, g.Status, "text/plain"); strings.Contains(text, "trace_id") || !strings.Contains(text, request) {
		t.Error("the text format, which has no exemplars, has some")
	}
}

// hasTrace wants a span of a name in a trace.
func hasTrace(collector, id, span string) error {
	res, err := http.Get(collector + "/traces/" + id)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("trace %s: status %d: %s", id, res.StatusCode, bytes.TrimSpace(body))
	}
	var spans []struct{ Name string }
	if err := json.Unmarshal(body, &spans); err != nil {
		return err
	}
	for _, s := range spans {
		if s.Name == span {
			return nil
		}
	}
	return fmt.Errorf("trace %s: %v without %s", id, spans, span)
}
