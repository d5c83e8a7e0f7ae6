// Package stats is what the plugins statsd and datadog have in common: the values
// of their metrics, and how lines of the StatsD protocol are sent.
package stats

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
)

// Metric is an element of the array "metrics" as it is stored.
type Metric struct {
	Name                string   `json:"name"`
	StatType            string   `json:"stat_type"`
	SampleRate          *float64 `json:"sample_rate"`
	ConsumerIdentifier  string   `json:"consumer_identifier"`
	ServiceIdentifier   string   `json:"service_identifier"`
	WorkspaceIdentifier string   `json:"workspace_identifier"`
	Tags                []string `json:"tags"`
}

// types are the protocol's names of the types.
var types = map[string]string{
	"counter": "c", "gauge": "g", "histogram": "h", "meter": "m", "set": "s", "timer": "ms", "distribution": "d",
}

// Suffix is what follows the value: the type, and the rate where it is not 1.
func (m *Metric) Suffix() string {
	if m.SampleRate != nil && *m.SampleRate != 1 {
		return types[m.StatType] + "|@" + strconv.FormatFloat(*m.SampleRate, 'g', -1, 64)
	}
	return types[m.StatType]
}

// Sampled decides by chance whether a counter is sent this time.
func (m *Metric) Sampled() bool {
	return m.StatType != "counter" || m.SampleRate == nil || *m.SampleRate >= 1 || rand.Float64() < *m.SampleRate
}

// Values are what metrics measure of one request.
type Values struct {
	Latency, Kong, Upstream int64 // ms; Upstream is -1 where it was not asked
	Request, Response       int64 // bytes
	Status                  int
}

// Of measures a request that has ended.
func Of(x *plugin.Exchange) Values {
	now := time.Now()
	v := Values{
		Latency: now.Sub(x.Started).Milliseconds(),
		Request: int64(len(x.Ctx.Request.Header.Header())) + x.Received, Response: int64(len(x.Ctx.Response.Header.Header())) + x.Sent,
		Status: x.Ctx.Response.StatusCode(),
	}
	v.Kong, v.Upstream = logentry.Latencies(x, now)
	return v
}

// Value is what a metric of that name measures; false: nothing, of this request.
func (v *Values) Value(name string) (int64, bool) {
	switch name {
	case "latency":
		return v.Latency, true
	case "kong_latency":
		return v.Kong, true
	case "upstream_latency":
		return v.Upstream, v.Upstream >= 0
	case "request_size":
		return v.Request, true
	case "response_size":
		return v.Response, true
	case "request_count":
		return 1, true
	}
	return 0, false
}

// Consumer names a consumer as identifier says; "" where there is none, or it has
// no such name.
func Consumer(c *entity.Consumer, identifier string) string {
	switch {
	case c == nil:
		return ""
	case identifier == "consumer_id":
		return c.ID
	case identifier == "username":
		return c.Username
	}
	return c.CustomID
}

// Sender sends lines to a StatsD server.
type Sender struct {
	Host   string
	Port   int
	TCP    bool
	Packet int // bytes: lines are put together up to there; 0: each is alone
}

// timeout bounds the sending of one batch.
const timeout = 10 * time.Second

// Send sends entries, each of which is the lines of a request. It looks the host up
// each time, as it may move.
func (s *Sender) Send(ctx context.Context, batch [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	network := "udp"
	if s.TCP {
		network = "tcp"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil {
		return fmt.Errorf("reach the statsd server: %w", err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	for _, packet := range s.packets(batch) {
		if _, err := conn.Write(packet); err != nil {
			return fmt.Errorf("write to the statsd server: %w", err)
		}
	}
	return nil
}
