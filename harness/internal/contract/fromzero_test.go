package contract

import (
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/gatelab/gatelab/alerts"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/internal/testenv"
	"github.com/gatelab/gatelab/internal/testenv/gatewaytest"
)

// A counter that an alert or a recording rule reads is exported with 0 before
// its first event: increase() does not see the value that a series begins with.
// What has a series for each route or service that was used is counted from 0 by
// the rules themselves, which tell by gateway_requests_total{route=""} that the
// instance was scraped before. Histograms of services are of that kind.
func TestCountersOfAlertsBeginAtZero(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, and -short asks for tests without servers: run make test")
	}
	fresh, err := readings.Scrape(t.Context(), gatewaytest.Start(t, gatewaytest.Build(t), testenv.Postgres(t)).Status)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := alerts.Rules()
	if err != nil {
		t.Fatal(err)
	}
	c := contract{exported: workingGateway(t)}
	begun, looked := contract{exported: fresh}, 0
	for _, r := range rules {
		q, err := readPromQL(r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range q.selectors {
			f := c.exported[s.metric]
			if f == nil || f.GetType() != dto.MetricType_COUNTER { // a record, or no counter
				continue
			}
			looked++
			values := begun.labels(s.metric)
			if values == nil {
				t.Errorf("%s: %s does not exist before its first event", r.Alert+r.Record, s.metric)
				continue
			}
			for _, m := range s.matchers {
				if !matchesAny(m, values[m.Name]) {
					t.Errorf("%s: %s{%s} does not exist before its first event, only %q", r.Alert+r.Record, s.metric, m, values[m.Name])
				}
			}
			if sum, _ := fresh.Value(s.metric); sum != 0 {
				t.Errorf("%s begins at %v", s.metric, sum)
			}
		}
	}
	if looked == 0 {
		t.Error("no rule reads a counter: nothing was tested")
	}
	// The statuses that the rules select from the records by status.
	for _, status := range []string{"429", "500", "502", "503", "504"} {
		if v, ok := fresh.Value("gateway_requests_total", "route", "", "status", status); !ok || v != 0 {
			t.Errorf("gateway_requests_total of status %s is %v, exported %v", status, v, ok)
		}
	}
}
