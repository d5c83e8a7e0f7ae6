package alerting

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestCheckOfAnExistingPrometheus looks at a real Prometheus whose only replica exports
// a part of the metrics.
func TestCheckOfAnExistingPrometheus(t *testing.T) {
	if err := Installed(); err != nil {
		t.Skipf("%v: make deps", err)
	}
	target := newFakeGateway(t)
	s, err := Start(t.Context(), []Target{{Job: "gateway", Instance: "gateway-1", Addr: strings.TrimPrefix(target.URL, "http://")}},
		Scale{Factor: 20, Scrape: 500 * time.Millisecond}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, err := Check(t.Context(), s.Prometheus+"/", "gateway")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"Prometheus answers": true, `targets of the job "gateway" are scraped`: true, "rules are loaded": true,
		"rules are evaluated without errors": true, "metrics that the rules read exist": false, "an Alertmanager receives alerts": true,
	}
	for _, f := range found {
		if ok, known := want[f.Name]; !known || ok != f.OK {
			t.Errorf("%s: %v: %s", f.Name, f.OK, f.Detail)
		}
		if f.Name == "metrics that the rules read exist" && (!strings.Contains(f.Detail, "gateway_requests_total") ||
			strings.Contains(f.Detail, "gateway_config_apply_errors_total")) {
			t.Errorf("missing metrics: %s", f.Detail)
		}
	}
	if len(found) != len(want) {
		t.Errorf("%d findings, want %d", len(found), len(want))
	}
	other, err := Check(t.Context(), s.Prometheus, "edge")
	if err != nil {
		t.Fatal(err)
	}
	if f := other[1]; f.OK || !strings.Contains(f.Detail, "--job") {
		t.Errorf("a job without targets: %+v", f)
	}
}

// TestCheckOnlyReads sees every request of a check.
func TestCheckOnlyReads(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet {
			t.Errorf("%s %s", q.Method, q.URL)
		}
		if strings.HasSuffix(q.URL.Path, "/values") {
			_, _ = w.Write([]byte(`{"status":"success","data":[]}`))
			return
		}
		_, _ = w.Write([]byte(`{"status":"success","data":{}}`))
	}))
	defer srv.Close()
	found, err := Check(t.Context(), srv.URL, "gateway")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found[1:] {
		if f.OK && f.Name != "rules are evaluated without errors" {
			t.Errorf("%s is said to be so of an empty Prometheus", f.Name)
		}
	}
}
