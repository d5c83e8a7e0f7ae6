package stats

import (
	"fmt"
	"math"
	"strings"
)

// Verdict of a comparison.
type Verdict string

// Verdicts.
const (
	Pass         Verdict = "pass"         // not worse than the margin allows
	Fail         Verdict = "fail"         // worse than the margin allows
	Inconclusive Verdict = "inconclusive" // the data carry neither
)

// MinPairs is the fewest pairs that a verdict rests on.
const MinPairs = 6

// ErrorRate is the name under which Failures are estimated.
const ErrorRate = "error_rate"

// Estimate is what one metric says. Ratio is of the second arm to the first;
// Low and High are its one-sided 95% bounds. Of ErrorRate and of shares they are
// differences, for a ratio to no failure at all is none.
type Estimate struct {
	Name     string
	Pairs    int // 0: there is no estimate
	Ratio    float64
	Low      float64
	High     float64
	Margin   float64 // as a ratio: 1.10, or 0.909 where higher is better; of a difference a difference
	P        float64 // of a regression where there is none, Holm-adjusted
	Verdict  Verdict
	Advisory bool
	Guard    bool
	Reason   string // a sentence
}

// Comparison is the outcome.
type Comparison struct {
	Metrics []Estimate
	Verdict Verdict
	Reason  string // a sentence
}

// alpha is the chance that is taken of calling a regression what is none.
const alpha = 0.05

// level is alpha at each of several looks: Pocock's boundaries.
func level(looks int) float64 {
	switch {
	case looks <= 1:
		return alpha
	case looks == 2:
		return 0.0294
	}
	return alpha / float64(looks)
}

// Compare compares the second arm (B) with the first (A).
//
// Paired metrics are estimated by the Hodges-Lehmann median of their log-ratios
// with bounds from Wilcoxon's signed-rank test, unpaired ones by the ratio of
// medians with bootstrap bounds. A metric fails where its ratio is beyond the margin
// with 95% confidence, adjusted over all decisive metrics (Holm); it passes where
// the ratio is within the margin with 95% confidence; otherwise it is inconclusive.
// The comparison fails where a metric fails, and passes where all decisive metrics
// pass; a guard may also be inconclusive. Advisory metrics decide nothing.
//
// Where a metric of the control differs from itself the host was not steady enough,
// and the comparison is inconclusive; where it is a guard, only that guard is. A
// metric whose control has too few pairs is inconclusive itself.
func Compare(d Data) Comparison {
	at := level(d.Looks)
	var out Comparison
	var passing []float64 // probability of what was seen if the metric were beyond its margin
	for _, m := range d.Metrics {
		e, pass := m.estimate()
		out.Metrics, passing = append(out.Metrics, e), append(passing, pass)
	}
	if d.Failures != nil {
		e, pass := d.Failures.estimate(at)
		out.Metrics, passing = append(out.Metrics, e), append(passing, pass)
	}
	adjust(out.Metrics)
	for i := range out.Metrics {
		out.Metrics[i].conclude(at, passing[i])
		out.Metrics[i].applyControl(d)
	}
	out.Verdict, out.Reason = overall(out.Metrics)
	if why := controlProblem(d); why != "" {
		out.Verdict, out.Reason = Inconclusive, why
	}
	return out
}

// adjust applies Holm to the metrics that gate.
func adjust(all []Estimate) {
	var p []float64
	var at []int
	for i, e := range all {
		if !e.Advisory {
			p, at = append(p, e.P), append(at, i)
		}
	}
	for i, v := range Holm(p) {
		all[at[i]].P = v
	}
}

// logRatios are a metric's pairs as log(B/A), those of shares as B-A, and false
// where a pair is missing or no positive figure.
func (m Metric) logRatios() ([]float64, bool) {
	if len(m.A) != len(m.B) || len(m.A) < MinPairs {
		return nil, false
	}
	out := make([]float64, len(m.A))
	for i := range m.A {
		out[i] = math.Log(m.B[i] / m.A[i])
		if m.Shares {
			out[i] = m.B[i] - m.A[i]
		}
		if math.IsNaN(out[i]) || math.IsInf(out[i], 0) {
			return nil, false
		}
	}
	return out, true
}

// evidence is what values say of their middle.
type evidence interface {
	below(q float64) float64   // one-sided bound: q 0.05 the lower, 0.95 the upper
	atMost(v float64) float64  // p-value of "the middle is v or less"
	atLeast(v float64) float64 // of "v or more"
}

// evidence is of the log-ratio, and its middle; where the arms are unpaired, of
// the ratio of the medians.
func (m Metric) evidence() (e evidence, middle float64, ok bool) {
	if !m.Unpaired {
		ratios, ok := m.logRatios()
		if !ok {
			return nil, 0, false
		}
		s := newSignedRank(ratios)
		return s, s.middle(), true
	}
	x, okA := logs(m.A)
	y, okB := logs(m.B)
	if !okA || !okB {
		return nil, 0, false
	}
	return newBootstrap(y).less(newBootstrap(x)), Median(y) - Median(x), true
}

// back is what logRatios made of a ratio, made a ratio again; a difference is one.
func (m Metric) back(v float64) float64 {
	if m.Shares {
		return v
	}
	return math.Exp(v)
}

// same is what two equal arms would give.
func (m Metric) same() float64 { return m.back(0) }

// logs are the logarithms of MinPairs positive values or more.
func logs(values []float64) ([]float64, bool) {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Log(v)
		if math.IsNaN(out[i]) || math.IsInf(out[i], 0) {
			return nil, false
		}
	}
	return out, len(out) >= MinPairs
}

// estimate is a metric's figures, and the probability of such a good outcome
// were it worse than the margin. P is 1 and Pairs 0 where there is no estimate.
func (m Metric) estimate() (e Estimate, pass float64) {
	e = Estimate{Name: m.Name, Margin: 1 + m.Margin, Advisory: m.Advisory, Guard: m.Guard, P: 1}
	switch {
	case m.Shares:
		e.Margin = m.Margin
	case m.HigherBetter:
		e.Margin = 1 / (1 + m.Margin)
	}
	b, middle, ok := m.evidence()
	if !ok {
		return e, 1
	}
	e.Pairs = min(len(m.A), len(m.B))
	e.Ratio = m.back(middle)
	e.Low, e.High = m.back(b.below(alpha)), m.back(b.below(1-alpha))
	limit := math.Log(e.Margin)
	if m.Shares {
		limit = e.Margin
	}
	if m.HigherBetter {
		e.P, pass = b.atLeast(limit), b.atMost(limit)
	} else {
		e.P, pass = b.atMost(limit), b.atLeast(limit)
	}
	return e, pass
}

func (e *Estimate) conclude(at, pass float64) {
	switch {
	case e.Pairs == 0:
		e.Verdict, e.Reason = Inconclusive, fmt.Sprintf("%s: not measured in %d pairs", e.Name, MinPairs)
		return
	case e.P < at:
		e.Verdict = Fail
	case pass < at:
		e.Verdict = Pass
	default:
		e.Verdict = Inconclusive
	}
	word := map[Verdict]string{Fail: "beyond", Pass: "within", Inconclusive: "undecided at"}[e.Verdict]
	e.Reason = fmt.Sprintf("%s: %s the margin of %.3g: %.3g (%.3g to %.3g)", e.Name, word, e.Margin, e.Ratio, e.Low, e.High)
}

func overall(all []Estimate) (Verdict, string) {
	why := map[Verdict][]string{}
	var untold []string
	decisive := 0
	for _, e := range all {
		if e.Advisory {
			continue
		}
		if e.Guard && e.Verdict == Inconclusive {
			untold = append(untold, e.Name)
			continue
		}
		decisive++
		why[e.Verdict] = append(why[e.Verdict], e.Reason)
	}
	switch {
	case decisive == 0:
		return Inconclusive, "no metric to judge by"
	case len(why[Fail]) > 0:
		return Fail, strings.Join(why[Fail], "; ")
	case len(why[Inconclusive]) > 0:
		return Inconclusive, strings.Join(why[Inconclusive], "; ")
	}
	said := fmt.Sprintf("all %d metrics are within their margins", decisive)
	if len(untold) > 0 {
		said += "; not used: " + strings.Join(untold, ", ")
	}
	return Pass, said
}

// Ratio estimates a metric by itself: the ratio of B to A with its bounds, without a verdict. Pairs is 0 where there are fewer than
// MinPairs.
func Ratio(m Metric) Estimate {
	e, _ := m.estimate()
	return e
}
