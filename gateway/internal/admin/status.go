package admin

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/gatelab/gatelab/internal/webguard"
)

// Readiness says whether this replica serves clients and, where it does not,
// why. The zero value is not ready. It is safe for concurrent use.
type Readiness struct {
	mu       sync.Mutex
	ready    bool
	draining bool
	reason   string
}

// Ready makes the replica ready, unless it is draining.
func (r *Readiness) Ready() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = true
}

// Waiting says what a replica that was never ready is waiting for.
func (r *Readiness) Waiting(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason = reason
}

// Draining makes the replica not ready for good.
func (r *Readiness) Draining() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
}

// Reason returns why the replica is not ready, "" where it is.
func (r *Readiness) Reason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.draining:
		return "draining"
	case r.ready:
		return ""
	case r.reason == "":
		return "no configuration yet"
	}
	return "no configuration yet: " + r.reason
}

// StatusConfig is what the status listener reports.
type StatusConfig struct {
	Readiness *Readiness
	Revision  func() int64 // of the configuration in use; nil: not reported
	Metrics   prometheus.Gatherer
	Profiles  bool // serve those of the Go runtime
	Log       *slog.Logger
}

// RevisionHeader of /health/ready, and of a change that was made through the
// Admin API, is the revision of the configuration in use.
const RevisionHeader = "X-Gateway-Revision"

// maxScrapes is how many scrapes are served at a time. More would show in the
// latency of requests.
const maxScrapes = 3

// NewStatus returns the handler of the status listener: /health/live,
// /health/ready, Kong's /status/ready, /metrics and, where wanted, the profiles
// of the Go runtime under /debug/pprof/. A process that responds is alive; one
// that serves clients is ready.
func NewStatus(c StatusConfig) http.Handler {
	mux := http.NewServeMux()
	if c.Profiles {
		mux.HandleFunc("GET /debug/pprof/", profile(pprof.Index))
		mux.HandleFunc("GET /debug/pprof/profile", profile(pprof.Profile))
	}
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		if c.Revision != nil {
			w.Header().Set(RevisionHeader, strconv.FormatInt(c.Revision(), 10))
		}
		if reason := c.Readiness.Reason(); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	mux.HandleFunc("GET /status/ready", func(w http.ResponseWriter, _ *http.Request) {
		if reason := c.Readiness.Reason(); reason != "" {
			writeJSON(w, http.StatusServiceUnavailable, map[string]any{"message": reason})
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"message": "ready"})
	})
	mux.Handle("GET /metrics", MetricsHandler(c.Metrics, true, c.Log))
	return mux
}

// MetricsHandler serves metrics, in the OpenMetrics format where that is allowed
// and a client asks for it. An error is logged with an id, and the response has
// only the id: the error may name hosts.
func MetricsHandler(from prometheus.Gatherer, openMetrics bool, log *slog.Logger) http.Handler {
	gather := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := from.Gather()
		if err != nil {
			id := uuid.NewString()
			log.Error("metrics could not be gathered", "error_id", id, "error", err)
			err = fmt.Errorf("metrics could not be gathered; the log has the reason under error_id %s", id)
		}
		return families, err
	})
	return promhttp.HandlerFor(gather, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: openMetrics})
}

// longestProfile bounds the duration of a profile that a client may request.
const longestProfile = 10 * time.Minute

// profile extends the time limit of a response by the duration of the profile.
func profile(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		seconds, _ := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
		if seconds > longestProfile.Seconds() {
			http.Error(w, "seconds: want at most "+strconv.Itoa(int(longestProfile.Seconds())), http.StatusBadRequest)
			return
		}
		webguard.Extend(w, max(30*time.Second, time.Duration(seconds*float64(time.Second)))+time.Minute)
		h(w, r)
	}
}
