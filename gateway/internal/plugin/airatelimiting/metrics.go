package airatelimiting

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// metrics are shared by all plugins of this kind.
type metrics struct {
	allowed, limited, wouldLimit, failedOpen, failedClosed prometheus.Counter
	lost, untold                                           prometheus.Counter

	tokens *prometheus.CounterVec
	first  *prometheus.HistogramVec
	rate   *prometheus.HistogramVec
	models *labels
}

// labels bounds the values of a label that clients choose.
type labels struct {
	mu    sync.Mutex
	known map[string]bool // guarded by mu
}

// mostModels is how many models have series of their own.
const mostModels = 50

func (l *labels) of(model string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known[model] {
		if len(l.known) >= mostModels {
			return "other"
		}
		l.known[model] = true
	}
	return model
}

var models = &labels{known: map[string]bool{}} // metrics of a process are made several times, and are the same

// newMetrics makes the metrics, or finds those that are registered.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	decisions, err := plugin.LimitDecisions(reg)
	if err != nil {
		return nil, err
	}
	m := &metrics{models: models}
	for outcome, to := range map[string]*prometheus.Counter{
		"allowed": &m.allowed, "limited": &m.limited, "would_limit": &m.wouldLimit,
		"failed_open": &m.failedOpen, "failed_closed": &m.failedClosed,
	} {
		*to = decisions.WithLabelValues(name, outcome)
	}
	lost, err := plugin.Registered(reg, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_ai_rate_limit_corrections_lost_total",
		Help: "Requests whose reserved tokens could not be corrected by their usage.",
	}))
	if err != nil {
		return nil, err
	}
	untold, err := plugin.Registered(reg, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_ai_usage_estimated_total",
		Help: "Responses of models without usage, whose tokens are estimated.",
	}))
	if err != nil {
		return nil, err
	}
	m.lost, m.untold = lost, untold
	if m.tokens, err = plugin.Registered(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_ai_tokens_total",
		Help: "Tokens by service, model and kind (prompt or completion). Models beyond the first 50 are \"other\".",
	}, []string{"service", "model", "kind"})); err != nil {
		return nil, err
	}
	if m.first, err = plugin.Registered(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gateway_ai_time_to_first_token_seconds", Help: "From asking the upstream to the first event of its stream.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"service"})); err != nil {
		return nil, err
	}
	m.rate, err = plugin.Registered(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gateway_ai_tokens_per_second", Help: "Completion tokens per second of streams, from their first event to their end.",
		Buckets: []float64{1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000},
	}, []string{"service"}))
	return m, err
}

// observe counts a request that has ended.
func (m *metrics) observe(service string, c *call, used usage, asked time.Time) {
	if !used.told {
		m.untold.Inc()
	}
	if used.all() > 0 {
		model := m.models.of(c.model)
		m.tokens.WithLabelValues(service, model, "prompt").Add(float64(used.prompt))
		m.tokens.WithLabelValues(service, model, "completion").Add(float64(max(used.completion, used.total-used.prompt)))
	}
	if c.firstEvent.IsZero() || asked.IsZero() {
		return
	}
	m.first.WithLabelValues(service).Observe(c.firstEvent.Sub(asked).Seconds())
	if took := c.ended.Sub(c.firstEvent).Seconds(); took > 0 && used.completion > 1 {
		m.rate.WithLabelValues(service).Observe(float64(used.completion) / took)
	}
}
