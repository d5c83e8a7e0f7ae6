package result

import (
	"fmt"
	"math"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
)

// longestTail is the mean of the slowest hundredth beyond which a published
// distribution is not believed: no client waits that long.
const longestTail = 30_000.0 // ms

// remarks says where published figures contradict each other. connections is
// how many the closed loop had; 0 is not known.
func (p *Published) remarks(connections int) []string {
	var out []string
	if p.Connections != nil {
		connections = *p.Connections
	}
	if r := p.littlesLaw(connections); r != "" {
		out = append(out, r)
	}
	if p.ErrorRate != nil && p.Availability != nil {
		good := 1 - *p.ErrorRate
		if math.Abs(good-*p.Availability) > 0.0005 {
			out = append(
				out,
				fmt.Sprintf("an error rate of %s leaves %s of the requests good, not %s: the published availability is not that of the same requests",
					figure.Percent(*p.ErrorRate), figure.Percent(good), figure.Percent(*p.Availability)),
			)
		}
	}
	return out
}

// littlesLaw compares the published percentiles with the mean latency that
// follows from the published rate: in a closed loop, connections = rate x mean.
func (p *Published) littlesLaw(connections int) string {
	if p.QPS == nil || *p.QPS <= 0 || connections <= 0 || p.P50MS == nil {
		return ""
	}
	mean := float64(connections) / *p.QPS * 1000
	says := fmt.Sprintf("%d connections at %s QPS mean %s per request (Little's law), ", connections, figure.Grouped(*p.QPS),
		figure.Millis(mean))
	if p.P99MS == nil {
		if mean > 4**p.P50MS || mean < *p.P50MS/2 {
			return says + "which a median of " + figure.Millis(*p.P50MS) + " does not fit"
		}
		return ""
	}
	// The most that the faster 99% can add to the mean is half of them at the
	// median and the others at p99; the least is half at zero, the others at
	// the median.
	most := 0.5**p.P50MS + 0.49**p.P99MS
	least := 0.49**p.P50MS + 0.01**p.P99MS
	published := fmt.Sprintf("not %s at the median and %s at p99", figure.Millis(*p.P50MS), figure.Millis(*p.P99MS))
	if tail := (mean - most) / 0.01; tail > math.Max(longestTail, *p.P99MS) {
		return says + published + ": the slowest hundredth would have to take " + figure.Millis(tail) + " on average"
	}
	if mean < least {
		return says + published + ": those alone make a mean of at least " + figure.Millis(least)
	}
	return ""
}

// compared says in which of the published figures this stage's closed loop is better, and in which it is not; empty if nothing can be
// compared.
func (s *Stage) compared() string {
	p := s.Published
	if p == nil || s.QPS == nil {
		return ""
	}
	l := s.ClosedLatencyMS
	if l == nil {
		l = &Latency{}
	}
	var better, worse []string
	compare := func(name string, published, measured *float64, more bool) {
		switch {
		case published == nil || measured == nil:
		case *measured == *published || (*measured > *published) == more:
			better = append(better, name)
		default:
			worse = append(worse, name)
		}
	}
	compare("QPS", p.QPS, s.QPS, true)
	compare("p50", p.P50MS, l.P50, false)
	compare("p99", p.P99MS, l.P99, false)
	compare("errors", p.ErrorRate, s.ClosedErrorRate, false)
	text := "closed loop compared with closed loop, "
	switch {
	case len(better)+len(worse) == 0:
		return ""
	case len(worse) == 0:
		return text + "this run reaches the published " + strings.Join(better, ", ")
	case len(better) == 0:
		return text + "this run does not reach the published " + strings.Join(worse, ", ")
	}
	return text + "this run reaches the published " + strings.Join(better, ", ") + ", and not the published " + strings.Join(worse, ", ")
}
