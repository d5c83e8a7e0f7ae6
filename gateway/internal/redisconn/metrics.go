package redisconn

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

type metrics struct {
	up, used, max *prometheus.GaugeVec
	seconds       *prometheus.HistogramVec
	errors        *prometheus.CounterVec
}

type clientMetrics struct {
	used, max                           prometheus.Gauge
	seconds                             prometheus.Observer
	timeout, failed, reply, unavailable prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	label := []string{"address"}
	m := &metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_redis_up",
			Help: "1 while the Redis server answers, 0 while its breaker is open or its poll fails.",
		}, label),
		used: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_redis_memory_used_bytes",
			Help: "Memory that the Redis server uses.",
		}, label),
		max: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_redis_memory_max_bytes",
			Help: "Memory that the Redis server may use; 0 is no limit.",
		}, label),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_redis_command_seconds",
			Help: "Time of one call to Redis (a command, pipeline or script) with the wait for a connection.",

			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25}}, label),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_redis_errors_total",
			Help: "Calls to Redis that failed: timeout, connection, reply (the server refused), unavailable (breaker open, not sent).",
		}, []string{"address", "kind"}),
	}
	if reg != nil {
		reg.MustRegister(m.up, m.used, m.max, m.seconds, m.errors)
	}
	return m
}

func (m *metrics) client(address string) clientMetrics {
	return clientMetrics{
		used: m.used.WithLabelValues(address), max: m.max.WithLabelValues(address),
		seconds: m.seconds.WithLabelValues(address),
		timeout: m.errors.WithLabelValues(address, "timeout"), failed: m.errors.WithLabelValues(address, "connection"),
		reply: m.errors.WithLabelValues(address, "reply"), unavailable: m.errors.WithLabelValues(address, "unavailable"),
	}
}

// forget drops the series of a server that is not used any more.
func (m *metrics) forget(address string) {
	label := prometheus.Labels{"address": address}
	for _, vec := range []interface{ DeletePartialMatch(prometheus.Labels) int }{m.up, m.used, m.max, m.seconds, m.errors} {
		vec.DeletePartialMatch(label)
	}
}

// poll reads every server's memory, and a new client's at once.
func (r *Registry) poll() {
	tick := time.NewTicker(r.cfg.PollInterval)
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case c := <-r.added:
			c.read()
		case <-tick.C:
			r.mu.Lock()
			clients := r.list()
			r.mu.Unlock()
			for _, c := range clients {
				c.read()
			}
		}
	}
}

func (c *Client) read() {
	if c.ctx.Err() != nil {
		return // retired: its gauges may be another client's
	}
	if !c.Available() {
		return // the breaker's probe finds out when it is back
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.dial+c.timeout)
	defer cancel()
	used, maxMemory, err := c.memory(ctx)
	switch outcomeOf(c.ctx, err) {
	case outcomeOK:
		c.metrics.used.Set(used)
		c.metrics.max.Set(maxMemory)
		c.back()
	case outcomeReply:
		c.back() // an ACL may allow all that is needed, but not INFO
	case outcomeTimeout, outcomeFailed:
		c.away(err)
		c.settle(c.ctx, err)
	case outcomeCancelled:
	}
}

// memory is what the server uses and may use, in bytes; of a cluster all masters together.
func (c *Client) memory(ctx context.Context) (used, maxMemory float64, err error) {
	cluster, ok := c.rdb.(*redis.ClusterClient)
	if !ok {
		info, err := c.rdb.Info(ctx, "memory").Result()
		used, maxMemory = parseMemory(info)
		return used, maxMemory, err
	}
	var mu sync.Mutex
	err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		info, err := node.Info(ctx, "memory").Result()
		mu.Lock()
		defer mu.Unlock()
		u, m := parseMemory(info)
		used += u
		maxMemory += m
		return err
	})
	return used, maxMemory, err
}

// parseMemory finds used_memory and maxmemory, in bytes, in INFO's text; 0
// where they are not.
func parseMemory(info string) (used, maxMemory float64) {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "used_memory":
			used, _ = strconv.ParseFloat(value, 64)
		case "maxmemory":
			maxMemory, _ = strconv.ParseFloat(value, 64)
		}
	}
	return used, maxMemory
}
