package contract

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/gatelab/gatelab/alerts"
	"github.com/gatelab/gatelab/dashboards"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/internal/testenv"
	"github.com/gatelab/gatelab/internal/testenv/gatewaytest"
)

// The contract between what is exported and what is used: every metric,
// label and label value that a dashboard, an alert or a recording rule names is
// exported by a gateway that has done some work, or by a harness that runs.
func TestWhatIsLookedAtIsExported(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL and Redis, and -short asks for tests without servers: run make test")
	}
	c := contract{exported: workingGateway(t), recorded: map[string]bool{}}
	maps.Copy(c.exported, workingHarness(t))
	rules, err := alerts.Rules()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Record != "" {
			c.recorded[r.Record] = true
		}
	}
	for _, r := range rules {
		c.check(t, r.File+", "+r.Alert+r.Record, r.Expr, "")
	}
	for _, b := range dashboards.All() {
		for _, v := range b.Variables {
			c.check(t, b.UID+", variable "+v.Name, v.Query, "")
		}
		for _, row := range b.Rows {
			for i := range row.Panels {
				for _, q := range row.Panels[i].Queries {
					c.check(t, b.UID+", "+row.Panels[i].Title, q.Expr, q.Legend)
				}
			}
		}
	}
}

type contract struct {
	exported readings.Metrics
	recorded map[string]bool
}

// ofScrape are the labels that Prometheus itself adds.
var ofScrape = []string{"job", "instance"}

var inLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)

func (c *contract) check(t *testing.T, where, expr, legend string) {
	t.Helper()
	a, err := readPromQL(expr)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if len(a.selectors) == 0 {
		t.Errorf("%s: names no metric: %s", where, expr)
	}
	known := slices.Clone(ofScrape)
	for _, s := range a.selectors {
		if s.metric == "up" || c.recorded[s.metric] {
			continue
		}
		values := c.labels(s.metric)
		if values == nil {
			t.Errorf("%s: no program exports %s", where, s.metric)
			continue
		}
		known = slices.AppendSeq(known, maps.Keys(values))
		for _, m := range s.matchers {
			if slices.Contains(ofScrape, m.Name) {
				continue
			}
			if values[m.Name] == nil {
				t.Errorf("%s: %s has no label %s", where, s.metric, m.Name)
			} else if !matchesAny(m, values[m.Name]) {
				t.Errorf("%s: %s{%s} matches none of %q", where, s.metric, m, values[m.Name])
			}
		}
	}
	for _, m := range inLegend.FindAllStringSubmatch(legend, -1) {
		a.labels = append(a.labels, m[1])
	}
	for _, l := range a.labels {
		if !slices.Contains(known, l) {
			t.Errorf("%s: no metric of the expression has the label %s: %s", where, l, expr)
		}
	}
}

// matchesAny tells whether a matcher accepts one of the values. A variable accepts all.
func matchesAny(m *labels.Matcher, values []string) bool {
	return strings.HasPrefix(m.Value, "$") || slices.ContainsFunc(values, m.Matches)
}

// labels are all labels of a metric with their values; nil if no program
// exports it.
func (c *contract) labels(metric string) map[string][]string {
	f, ok := c.exported[metric]
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if !ok {
			base := strings.TrimSuffix(metric, suffix)
			f, ok = c.exported[base]
			ok = ok && base != metric && (f.GetType() == dto.MetricType_HISTOGRAM || f.GetType() == dto.MetricType_SUMMARY)
		}
	}
	if !ok || len(f.Metric) == 0 {
		return nil
	}
	out := map[string][]string{}
	for _, m := range f.Metric {
		for _, l := range m.Label {
			out[l.GetName()] = append(out[l.GetName()], l.GetValue())
		}
		for _, b := range m.GetHistogram().GetBucket() {
			out["le"] = append(out["le"], fmt.Sprint(b.GetUpperBound()))
		}
		for _, q := range m.GetSummary().GetQuantile() {
			out["quantile"] = append(out["quantile"], fmt.Sprint(q.GetQuantile()))
		}
	}
	return out
}

// workingHarness is what a harness exports in the middle of a run.
func workingHarness(t *testing.T) readings.Metrics {
	t.Helper()
	m, err := readings.Scrape(t.Context(), busyHarness(t).Address())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// busyHarness is the exporter of a harness in the middle of a run.
func busyHarness(t *testing.T) *session.Exporter {
	t.Helper()
	e, err := session.NewExporter(session.ExporterConfig{Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	e.Observe(session.Event{Kind: session.StageBegin, Scenario: "ladder", Stage: "cache"})
	e.Observe(session.Event{
		Kind: session.Progress, Attack: load.Attack{ID: "a", Model: load.Open, Rate: 10},
		Progress: load.Progress{State: load.Running, P50: time.Millisecond, P99: time.Second},
	})
	e.Observe(session.Event{Kind: session.Fault, FaultStep: fault.StepInjected, Fault: fault.Event{Kind: "kill", Target: "gateway-2"}})
	return e
}

// workingGateway builds and starts the gateway, sends requests that are answered
// in every way, and scrapes it.
func workingGateway(t *testing.T) readings.Metrics {
	t.Helper()
	g := busyGateway(t)
	gatewaytest.Eventually(t, func() error { return everyAnswer(g.Proxy) })
	var m readings.Metrics
	// The only target refuses until it is ejected.
	gatewaytest.Eventually(t, func() (err error) {
		if err := everyAnswer(g.Proxy); err != nil {
			return err
		}
		if m, err = readings.Scrape(t.Context(), g.Status); err == nil && m["gateway_upstream_ejections_total"] == nil {
			err = fmt.Errorf("the target that refuses was not ejected")
		}
		return err
	})
	return m
}

// busyGateway is a gateway with a cache, a limit, and a target that refuses.
func busyGateway(t *testing.T) *gatewaytest.Process {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/busy":
			w.WriteHeader(429)
		case "/broken":
			w.WriteHeader(502)
		case "/stream":
			streamTokens(w)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(origin.Close)
	g := gatewaytest.Start(t, gatewaytest.Build(t), testenv.Postgres(t))
	host, port, err := net.SplitHostPort(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	redis := fmt.Sprintf(`"redis": {"host": %q, "port": %s}`, host, port)
	for _, step := range []struct{ path, body string }{
		{"/services", fmt.Sprintf(`{"name": "ai-api", "url": %q}`, origin.URL)},
		{"/upstreams", `{"name": "pair"}`},
		{"/upstreams/pair/targets", `{"target": "127.0.0.1:1"}`}, // refuses
		{"/services", `{"name": "dead", "host": "pair", "retries": 0}`},
		{"/services/dead/routes", `{"name": "dead", "paths": ["/dead"]}`},
		{"/services/ai-api/routes", `{"name": "ai", "paths": ["/ai"], "strip_path": true}`},
		{"/services/ai-api/routes", `{"name": "chat", "paths": ["/chat"], "strip_path": true}`},
		{"/services/ai-api/routes", `{"name": "tokens", "paths": ["/tokens"], "strip_path": true}`},
		{"/routes/tokens/plugins", `{"name": "ai-rate-limiting", "config": {"limit": [1000000000], "window_size": [60], "identifier": "ip"}}`},
		{"/routes/tokens/plugins", `{"name": "adaptive-concurrency"}`},
		{"/routes/tokens/plugins", `{"name": "concurrency-limiting", "config": {"limit": 1000, "limit_by": "route"}}`},
		{"/routes/ai/plugins", `{"name": "proxy-cache", "config": {"strategy": "redis", ` + redis + `, "content_type": ["application/json"]}}`},
		{"/routes/chat/plugins", `{"name": "rate-limiting-advanced", "config": {"limit": [1], "window_size": [60], "identifier": "ip",
			"strategy": "redis", "sync_rate": 0, ` + redis + `}}`},
		{"/trials", `{"name": "half", "percent": 50, "changes": [{"entity": "consumers", "operation": "create", "body": {"username": "a"}}]}`},
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

// streamTokens is a model's answer.
func streamTokens(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, event := range []string{`{"choices":[]}`, `{"usage":{"prompt_tokens":2,"completion_tokens":3}}`} {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", event)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Millisecond) // tokens per second are of two moments
	}
}

// everyAnswer sends requests that a busyGateway answers in every way.
func everyAnswer(proxy string) error {
	for _, w := range []struct {
		path   string
		status int
	}{
		{"/ai/1", 200}, {"/ai/1", 200}, {"/chat/1", 200}, {"/chat/1", 429}, {"/ai/busy", 429}, {"/ai/broken", 502}, {"/nowhere", 404},
		{"/dead", 0}, // any status
	} {
		res, err := http.Get("http://" + proxy + w.path)
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != w.status && w.status != 0 && (w.path != "/chat/1" || res.StatusCode != 429) {
			return fmt.Errorf("%s: %d, want %d", w.path, res.StatusCode, w.status)
		}
	}
	res, err := http.Post("http://"+proxy+"/tokens/stream", "application/json", strings.NewReader(`{"model": "m"}`))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("a stream of tokens: %d, %w", res.StatusCode, err)
	}
	return nil
}
