package plugin

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// LimitDecisions returns the counter of what rate limits decided, by plugin and outcome, which all plugins with limits share: dashboards
// and alerts read it. reg may be nil.
func LimitDecisions(reg prometheus.Registerer) (*prometheus.CounterVec, error) {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_ratelimit_decisions_total",
		Help: "Requests by what a rate limit decided: allowed, " +
			"limited, would_limit (dry run), exempt, or, while Redis was away, failed_open or failed_closed.",
	}, []string{"plugin", "outcome"})
	return Registered(reg, vec)
}

// ConcurrencySheds returns the counter of requests that were refused because too many were in flight, by plugin and reason, which all
// plugins with such limits share. reg may be nil.
func ConcurrencySheds(reg prometheus.Registerer) (*prometheus.CounterVec, error) {
	return Registered(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_concurrency_shed_total",
		Help: "Requests refused because too many were in flight: of concurrency-limiting by what was counted (consumer, ip, ...), " +
			"of adaptive-concurrency by priority (high, normal, low); dry_run: would be refused.",
	}, []string{"plugin", "reason"}))
}

// Registered registers a collector, or returns the one that is registered under its name already: plugins are made anew with every
// configuration, and their metrics are not. reg may be nil.
func Registered[T prometheus.Collector](reg prometheus.Registerer, c T) (T, error) {
	if reg == nil {
		return c, nil
	}
	err := reg.Register(c)
	var have prometheus.AlreadyRegisteredError
	if errors.As(err, &have) {
		if existing, ok := have.ExistingCollector.(T); ok {
			return existing, nil
		}
	}
	if err != nil {
		return c, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}
