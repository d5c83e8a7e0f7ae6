package main

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestHealthCommandAsksTheStatusListener(t *testing.T) {
	var status atomic.Int32
	status.Store(200)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health/ready" {
			w.WriteHeader(404)
			return
		}
		w.WriteHeader(int(status.Load()))
	}))
	environ := []string{"GATEWAY_STATUS_LISTEN=" + strings.TrimPrefix(server.URL, "http://")}
	var out, errs strings.Builder
	if code := run([]string{"health"}, environ, &out, &errs); code != 0 {
		t.Errorf("ready: exit %d, %s", code, errs.String())
	}
	status.Store(503)
	if code := run([]string{"health"}, environ, &out, &errs); code != 1 || !strings.Contains(errs.String(), "not ready: status 503") {
		t.Errorf("not ready: exit %d, %s", code, errs.String())
	}
	server.Close()
	if code := run([]string{"health"}, environ, &out, &errs); code != 1 {
		t.Errorf("nobody there: exit %d", code)
	}
}

func TestReadyTellsWhichConfigurationIsServed(t *testing.T) {
	h := &health{configured: func() bool { return true }, revision: func() int64 { return 42 }}
	answer := httptest.NewRecorder()
	statusHandler(h, prometheus.NewRegistry()).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/health/ready", http.NoBody))
	if got := answer.Header().Get(revisionHeader); got != "42" || answer.Code != http.StatusOK {
		t.Errorf("status %d, revision %q", answer.Code, got)
	}
}

// A change after a rest is applied at once; those that keep coming take turns
// with the requests.
func TestAReplicaRestsBetweenReloads(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0: 0, 5 * time.Millisecond: 20 * time.Millisecond, time.Second: 2 * time.Second, time.Minute: 2 * time.Second,
	} {
		if got := restAfter(took); got != want {
			t.Errorf("after %s: %s, want %s", took, got, want)
		}
	}
}

// brokenMetric is a collector whose metric cannot be made.
type brokenMetric struct{ desc *prometheus.Desc }

func (b brokenMetric) Describe(c chan<- *prometheus.Desc) { c <- b.desc }
func (b brokenMetric) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.NewInvalidMetric(b.desc, errors.New("host=10.1.2.3 is away"))
}

func TestMetricsErrorsAreInTheLog(t *testing.T) {
	registry, log := prometheus.NewRegistry(), &lines{}
	registry.MustRegister(brokenMetric{prometheus.NewDesc("a", "b", nil, nil)})
	h := &health{configured: func() bool { return true }}
	w := httptest.NewRecorder()
	statusHandler(h, gatherer(registry, slog.New(slog.NewTextHandler(log, nil)))).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	_, id, found := strings.Cut(w.Body.String(), "error_id ")
	if w.Code != 500 || !found || strings.Contains(w.Body.String(), "10.1.2.3") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := log.String(); !strings.Contains(got, "10.1.2.3") || !strings.Contains(got, "error_id="+strings.TrimSpace(id)) {
		t.Errorf("the log: %s", got)
	}
}
