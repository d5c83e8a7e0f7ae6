package logqueue

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Kong's bounds of the record.
const (
	maxEntries = 1_000_000
	maxDelay   = 1_000_000 // seconds
)

// Config is Kong's record "queue" as it is stored.
type Config struct {
	MaxBatchSize       int     `json:"max_batch_size"`
	MaxCoalescingDelay float64 `json:"max_coalescing_delay"` // seconds, as are all below
	MaxEntries         int     `json:"max_entries"`
	MaxBytes           int     `json:"max_bytes"` // 0: no bound
	MaxRetryTime       float64 `json:"max_retry_time"`
	InitialRetryDelay  float64 `json:"initial_retry_delay"`
	MaxRetryDelay      float64 `json:"max_retry_delay"`
}

// Default is the configuration of a plugin that has no record "queue": batches
// of what there is, at once.
func Default() Config {
	return Config{
		MaxBatchSize: 200, MaxEntries: 10_000, MaxRetryTime: 60, InitialRetryDelay: 0.01, MaxRetryDelay: 60,
	}
}

// Field is the schema of the record. batch is the default of max_batch_size.
func Field(batch int) entity.Field {
	delay := &[2]float64{0.001, maxDelay}
	return entity.Field{Name: "queue", Kind: entity.Rec, Required: true, Fields: []entity.Field{
		{Name: "max_batch_size", Kind: entity.Integer, Default: batch, Between: &[2]float64{1, maxEntries}},
		{Name: "max_coalescing_delay", Kind: entity.Number, Default: 1, Between: &[2]float64{0, 3600}},
		{Name: "max_entries", Kind: entity.Integer, Default: 10_000, Between: &[2]float64{1, maxEntries}},
		{Name: "max_bytes", Kind: entity.Integer, Between: &[2]float64{1, entity.MaxWhole}},
		{Name: "max_retry_time", Kind: entity.Number, Default: 60, Between: &[2]float64{-1, maxDelay}},
		{Name: "initial_retry_delay", Kind: entity.Number, Default: 0.01, Between: delay},
		{Name: "max_retry_delay", Kind: entity.Number, Default: 60, Between: delay},
	}}
}

// Legacy are the fields that configured a queue before Kong 3.3. A value that is
// not its old default takes the place of the record's, as in Kong; retry_count
// has no meaning any more.
type Legacy struct {
	QueueSize    *int     `json:"queue_size"`
	FlushTimeout *float64 `json:"flush_timeout"` // seconds
}

// The defaults that legacy fields had.
const (
	legacySize  = 1
	legacyFlush = 2
)

// LegacyFields are their schema.
func LegacyFields() []entity.Field {
	return []entity.Field{
		{Name: "retry_count", Kind: entity.Integer},
		{Name: "queue_size", Kind: entity.Integer, Between: &[2]float64{1, maxEntries}},
		{Name: "flush_timeout", Kind: entity.Number, Between: &[2]float64{0, 3600}},
	}
}

// Apply changes c as the legacy fields ask for.
func (l *Legacy) Apply(c *Config) {
	if l.QueueSize != nil && *l.QueueSize != legacySize {
		c.MaxBatchSize = *l.QueueSize
	}
	if l.FlushTimeout != nil && *l.FlushTimeout != legacyFlush {
		c.MaxCoalescingDelay = *l.FlushTimeout
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// The reasons for which an entry is dropped.
const (
	full   = "full"   // the queue holds as much as it may: the oldest entry goes
	failed = "failed" // it could not be delivered within max_retry_time
	closed = "closed" // the gateway ended, or the plugin was changed, before it was delivered
)

type counters struct{ sent, dropped *prometheus.CounterVec }

func newCounters() *counters {
	return &counters{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_log_entries_sent_total", Help: "Entries that logging and tracing plugins have delivered.",
		}, []string{"plugin"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_log_entries_dropped_total",
			Help: "Entries of logging and tracing plugins that were not delivered: full (the queue was), failed, or closed.",
		}, []string{"plugin", "reason"}),
	}
}

// Declare exports the counters of a plugin, with 0.
func Declare(reg prometheus.Registerer, plugin string) error {
	c, err := register(reg)
	if err != nil {
		return err
	}
	c.declare(plugin)
	return nil
}

func (c *counters) declare(plugin string) {
	c.sent.WithLabelValues(plugin)
	for _, reason := range []string{full, failed, closed} {
		c.dropped.WithLabelValues(plugin, reason)
	}
}

// register takes what is registered already, if it is.
func register(reg prometheus.Registerer) (*counters, error) {
	c := newCounters()
	if reg == nil {
		return c, nil
	}
	for _, vec := range []**prometheus.CounterVec{&c.sent, &c.dropped} {
		err := reg.Register(*vec)
		var already prometheus.AlreadyRegisteredError
		if errors.As(err, &already) {
			if had, ok := already.ExistingCollector.(*prometheus.CounterVec); ok {
				*vec, err = had, nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("register the metrics of log queues: %w", err)
		}
	}
	return c, nil
}
