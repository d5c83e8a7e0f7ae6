package history

import (
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// Metric is what a series has the values of.
type Metric struct {
	Name         string `json:"name"`
	Unit         string `json:"unit"`
	HigherBetter bool   `json:"higher_better"`
	// Share is of a metric from 0 to 1 that may be zero: it is compared by
	// differences, all others by ratios.
	Share bool `json:"share,omitempty"`
}

// text is a value of the metric, in words.
func (m Metric) text(v float64) string {
	if m.Share {
		return figure.Percent(v)
	}
	return figure.Rounded(v)
}

// Names of metrics.
const (
	QPS    = "qps"
	P50    = "p50"
	P99    = "p99"
	Errors = "errors"
	CPU    = "cpu"
	Memory = "memory"
)

// Metrics are all metrics, in the order of the report.
func Metrics() []Metric {
	return []Metric{
		{Name: QPS, Unit: "requests/s, closed-loop", HigherBetter: true},
		{Name: P50, Unit: "ms, corrected, open-loop"},
		{Name: P99, Unit: "ms, corrected, open-loop"},
		{Name: Errors, Unit: "share of requests", Share: true},
		{Name: CPU, Unit: "us of the gateway per request"},
		{Name: Memory, Unit: "MiB, peak of the largest gateway"},
	}
}

// roleGateway is the gateway's role in a result; its nodes are gateway-1 and so on.
const roleGateway = "gateway"

// figuresOf are a stage's figures by metric. What was not measured is absent.
func figuresOf(s *result.Stage) map[string]float64 {
	out := map[string]float64{}
	put(out, QPS, s.QPS)
	put(out, P50, s.P50())
	put(out, P99, s.P99())
	put(out, Errors, s.ErrorRate)
	if us, ok := s.CPUPerRequestUS[roleGateway]; ok {
		put(out, CPU, &us)
	}
	most := 0.0
	for node, mib := range s.MemoryPeakMiB {
		if node == roleGateway || strings.HasPrefix(node, roleGateway+"-") {
			most = max(most, mib)
		}
	}
	put(out, Memory, &most)
	return out
}

// figuresOfCell are those of an arm in a comparison of gateways.
func figuresOfCell(c *result.MatrixCell) map[string]float64 {
	out := map[string]float64{}
	if !c.Limited { // else it is the generator's rate
		put(out, QPS, c.QPS)
	}
	put(out, P50, c.P50MS)
	put(out, P99, c.P99MS)
	put(out, CPU, c.CPUUS)
	put(out, Memory, c.MemoryMiB)
	return out
}

// put leaves out what was not measured, and a zero where there is no ratio to it.
func put(to map[string]float64, metric string, v *float64) {
	if v != nil && (*v > 0 || metric == Errors) {
		to[metric] = *v
	}
}
