package admin

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// newStatus is a status listener over a registry, and its replica's readiness.
func newStatus(c StatusConfig) (http.Handler, *Readiness) {
	if c.Readiness == nil {
		c.Readiness = &Readiness{}
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return NewStatus(c), c.Readiness
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return w
}

func TestReadinessIsNotLiveness(t *testing.T) {
	h, readiness := newStatus(StatusConfig{})
	is := func(when, path string, want int, body string) {
		t.Helper()
		if w := get(h, path); w.Code != want || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s: %s answers %d %s, want %d %s", when, path, w.Code, w.Body, want, body)
		}
	}
	is("before a configuration", "/health/live", 200, "alive")
	is("before a configuration", "/health/ready", 503, "no configuration yet")
	is("before a configuration", "/status/ready", 503, `{"message":"no configuration yet"}`)
	readiness.Waiting("Postgres is unavailable")
	is("while it waits", "/health/ready", 503, "no configuration yet: Postgres is unavailable")
	is("while it waits", "/status/ready", 503, `{"message":"no configuration yet: Postgres is unavailable"}`)
	readiness.Ready()
	is("with one", "/health/ready", 200, "ready")
	is("with one", "/status/ready", 200, `{"message":"ready"}`)
	is("with one", "/metrics", 200, "")
	readiness.Waiting("it does not matter any more")
	is("with one", "/health/ready", 200, "ready")
	readiness.Draining()
	is("while draining", "/health/ready", 503, "draining")
	is("while draining", "/status/ready", 503, `{"message":"draining"}`)
	is("while draining", "/health/live", 200, "alive")
	readiness.Ready()
	is("while draining", "/health/ready", 503, "draining")
}

func TestReadyTellsWhichConfigurationIsServed(t *testing.T) {
	h, readiness := newStatus(StatusConfig{Revision: func() int64 { return 42 }})
	readiness.Ready()
	if w := get(h, "/health/ready"); w.Header().Get(RevisionHeader) != "42" || w.Code != http.StatusOK {
		t.Errorf("status %d, revision %q", w.Code, w.Header().Get(RevisionHeader))
	}
}

func TestProfilesAreServedWhereWanted(t *testing.T) {
	for wanted, want := range map[bool]int{false: 404, true: 200} {
		h, _ := newStatus(StatusConfig{Profiles: wanted})
		if w := get(h, "/debug/pprof/heap"); w.Code != want || wanted && w.Body.Len() == 0 {
			t.Errorf("profiles %v: %d with %d bytes, want %d", wanted, w.Code, w.Body.Len(), want)
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
	registry, log := prometheus.NewRegistry(), &strings.Builder{}
	registry.MustRegister(brokenMetric{prometheus.NewDesc("a", "b", nil, nil)})
	h, _ := newStatus(StatusConfig{Metrics: registry, Log: slog.New(slog.NewTextHandler(log, nil))})
	w := get(h, "/metrics")
	_, id, found := strings.Cut(w.Body.String(), "error_id ")
	if w.Code != 500 || !found || strings.Contains(w.Body.String(), "10.1.2.3") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := log.String(); !strings.Contains(got, "10.1.2.3") || !strings.Contains(got, "error_id="+strings.TrimSpace(id)) {
		t.Errorf("the log: %s", got)
	}
}
