// Package slo is the grammar of service level objectives, which scenarios, capacity searches, gates and flags have in common:
//
//	p99 < 250ms, errors < 2%, p99{login} < 400ms, qps >= 500, cpu < 200us, memory{gateway} < 256MiB
//
// An objective is a metric, optionally what it is of in braces, a comparison and a limit with its unit. The package parses, writes and
// judges objectives; it measures nothing.
package slo

import (
	"slices"
	"strings"

	"github.com/gatelab/gatelab/internal/suggest"
)

// Names of metrics.
const (
	P50          = "p50"
	P90          = "p90"
	P95          = "p95"
	P99          = "p99"
	P999         = "p99.9"
	Max          = "max"
	Mean         = "mean"
	Errors       = "errors"
	Availability = "availability"
	QPS          = "qps"
	Hits         = "hits"
	CPU          = "cpu"
	Memory       = "memory"
)

// Unit is what limits and values of a metric are numbers of.
type Unit string

// The units of metrics.
const (
	Milliseconds Unit = "ms"
	Share        Unit = "share" // 0 to 1
	PerSecond    Unit = "1/s"
	Microseconds Unit = "us"
	MiB          Unit = "MiB"
)

// of is what may be in a metric's braces.
type of int

const (
	ofNothing of = iota
	ofRequest    // the name of a request of the workload
	ofNode       // a role of nodes, or a node
)

// metric is what is known of a metric.
type metric struct {
	name    string
	about   string
	unit    Unit
	higher  bool // is better
	of      of
	aliases []string // in lower case
}

const latencyOf = "of the corrected latency of successes, open-loop"

var metrics = []metric{
	{name: P50, about: "median " + latencyOf, unit: Milliseconds, of: ofRequest, aliases: []string{"p(50)", "med", "median"}},
	{name: P90, about: "90th percentile " + latencyOf, unit: Milliseconds, of: ofRequest, aliases: []string{"p(90)"}},
	{name: P95, about: "95th percentile " + latencyOf, unit: Milliseconds, of: ofRequest, aliases: []string{"p(95)"}},
	{name: P99, about: "99th percentile " + latencyOf, unit: Milliseconds, of: ofRequest, aliases: []string{"p(99)"}},
	{name: P999, about: "99.9th percentile " + latencyOf, unit: Milliseconds, of: ofRequest, aliases: []string{"p(99.9)", "p999"}},
	{name: Max, about: "highest value " + latencyOf, unit: Milliseconds, of: ofRequest},
	{name: Mean, about: "arithmetic mean " + latencyOf, unit: Milliseconds, of: ofRequest, aliases: []string{"avg"}},
	{name: Errors, about: "share of requests that failed", unit: Share, of: ofRequest, aliases: []string{"error_rate"}},
	{name: Availability, about: "share of probes that were answered well; wants load.probe", unit: Share, higher: true},
	{
		name: QPS, about: "successes per second, closed-loop; open-loop for one request, or without a closed-loop attack",
		unit: PerSecond, higher: true, of: ofRequest, aliases: []string{"rps"},
	},
	{name: Hits, about: "share of cache hits of what may be cached", unit: Share, higher: true, aliases: []string{"hit_ratio"}},
	{
		name: CPU, about: "CPU time per request of a role of nodes; without braces of the gateways",
		unit: Microseconds, of: ofNode,
	},
	{
		name: Memory, about: "highest memory of a node, or of any node of a role; without braces of the gateways",
		unit: MiB, of: ofNode,
	},
}

// Names are the names of all metrics, in their order.
func Names() []string {
	out := make([]string, len(metrics))
	for i := range metrics {
		out[i] = metrics[i].name
	}
	return out
}

// metricOf is the metric of a name or an alias; nil if there is none.
func metricOf(name string) *metric {
	name = strings.ToLower(name)
	i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name || slices.Contains(m.aliases, name) })
	if i < 0 {
		return nil
	}
	return &metrics[i]
}

// unknownMetric says what is wrong with a name. Of equally near names p99 is the one that is most often meant.
func unknownMetric(name string) error {
	if near := suggest.Nearest(strings.ToLower(name), append([]string{P99}, Names()...)); near == P99 {
		return &unknownName{hint: suggest.Hint(P99, []string{P99}), name: name}
	}
	return &unknownName{hint: suggest.Hint(strings.ToLower(name), Names()), name: name}
}

// unknownName is a metric that does not exist.
type unknownName struct{ name, hint string }

func (u *unknownName) Error() string {
	return "unknown metric \"" + u.name + "\"" + u.hint + ": want one of " + strings.Join(Names(), ", ")
}

// Describe is a row for each metric: its name, what its limit looks like, and what it is. For documentation.
func Describe() [][3]string {
	var out [][3]string
	for i := range metrics {
		m := &metrics[i]
		out = append(out, [3]string{m.name, m.example(), m.about})
	}
	return out
}

// example is a limit of the metric.
func (m *metric) example() string {
	op := "<"
	if m.higher {
		op = ">"
	}
	limit := map[Unit]string{Milliseconds: "250ms", Share: "2%", PerSecond: "500", Microseconds: "200us", MiB: "256MiB"}[m.unit]
	if m.higher && m.unit == Share {
		limit = "99.9%"
	}
	return m.name + op + limit
}
