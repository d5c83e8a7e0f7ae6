package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"gatelab/internal/webguard"
)

// health is what the status listener tells of the process. A process that
// answers is alive; ready is a process that has a configuration and is not draining.
type health struct {
	configured func() bool
	revision   func() int64 // of the configuration in use; nil: not told
	profiles   bool         // serve the Go runtime's
	draining   atomic.Bool
}

// revisionHeader tells on /health/ready which configuration a replica serves.
const revisionHeader = "X-Gateway-Revision"

// gatherer gathers metrics; what goes wrong is in the log, and an id of it in the
// answer.
func gatherer(from prometheus.Gatherer, log *slog.Logger) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := from.Gather()
		if err != nil {
			id := uuid.NewString()
			log.Error("metrics cannot be gathered", "error_id", id, "error", err)
			err = fmt.Errorf("metrics cannot be gathered; the log has the reason under error_id %s", id)
		}
		return families, err
	})
}

// longestProfile bounds how long a client may have a profile taken.
const longestProfile = 10 * time.Minute

// profile gives an answer the time that it was asked to take.
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

// statusHandler serves /health/live, /health/ready and /metrics, and, where
// wanted, the Go runtime's profiles under /debug/pprof/. More than three scrapes
// at a time are refused: they would show in the latency of requests.
func statusHandler(h *health, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	if h.profiles {
		mux.HandleFunc("GET /debug/pprof/", profile(pprof.Index))
		mux.HandleFunc("GET /debug/pprof/profile", profile(pprof.Profile))
	}
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		if h.revision != nil {
			w.Header().Set(revisionHeader, strconv.FormatInt(h.revision(), 10))
		}
		switch {
		case h.draining.Load():
			http.Error(w, "draining", http.StatusServiceUnavailable)
		case !h.configured():
			http.Error(w, "no configuration yet", http.StatusServiceUnavailable)
		default:
			_, _ = io.WriteString(w, "ready\n")
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 3, EnableOpenMetrics: true}))
	return mux
}
