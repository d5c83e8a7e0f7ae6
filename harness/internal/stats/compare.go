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

// Metric is one figure, measured of both arms in every round. A round's two
// values belong together: they were taken one after the other on the same host.
type Metric struct {
	Name         string
	HigherBetter bool    // throughput; else lower is better
	Margin       float64 // what is tolerated, as a share: 0.10 is 10% worse
	Advisory     bool    // shown, but no part of the verdict
	// Guard is a metric that may be too noisy to be told: one that is beyond its
	// margin fails the comparison, one that is not told holds no pass up.
	Guard bool
	// Unpaired says that A and B were measured apart: what the host did to one of
	// them it did not do to the other, so values do not belong together and what
	// the host does is not taken out.
	Unpaired bool
	A, B     []float64
}

// Failures are both arms' failed requests, all rounds together.
type Failures struct {
	FailedA, AllA uint64
	FailedB, AllB uint64
	Margin        float64 // tolerated rise of the rate, absolute: 0.001 is one in a thousand
}

// Data are what Compare judges.
type Data struct {
	Metrics  []Metric
	Failures *Failures
	// Control are the same metrics with the first arm on both sides (A/A). Without
	// them there is no verdict.
	Control []Metric
	// Looks is how often the data are looked at: 2 where a run may be extended
	// once. More looks need more evidence at each.
	Looks int
}

// ErrorRate is the name under which Failures are estimated.
const ErrorRate = "error_rate"

// Estimate is what one metric says. Ratio is of the second arm to the first;
// Low and High are its one-sided 95% bounds. Of ErrorRate they are differences
// of rates, for a ratio to no failure at all is none.
type Estimate struct {
	Name     string
	Pairs    int // 0: there is no estimate
	Ratio    float64
	Low      float64
	High     float64
	Margin   float64 // as a ratio: 1.10, or 0.909 where higher is better; of ErrorRate a difference
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

// Compare judges the second arm (B) against the first (A).
//
// Each metric's paired log-ratios are summed up by their Hodges-Lehmann median,
// its uncertainty by Wilcoxon's signed-rank test; unpaired ones by the ratio of
// medians and a bootstrap. A metric fails where the median is beyond the margin
// with 95% confidence, all metrics that gate taken together (Holm); it passes
// where it is within the margin with 95% confidence; else it is inconclusive. One failing metric fails the comparison, and it passes where
// all that gate pass; guards need not, as long as they do not fail.
//
// Where the control differs from itself the host was not steady enough, and
// there is no verdict but Inconclusive; of a guard it takes the metric's own
// verdict only. A metric whose control could not be measured has none of its own
// either; the others' stand.
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
		out.Metrics[i].uncontrolled(d)
	}
	out.Verdict, out.Reason = overall(out.Metrics)
	if why := unsteady(d); why != "" {
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

// logRatios are a metric's pairs as log(B/A), and false where a pair is
// missing or no positive figure.
func (m Metric) logRatios() ([]float64, bool) {
	if len(m.A) != len(m.B) || len(m.A) < MinPairs {
		return nil, false
	}
	out := make([]float64, len(m.A))
	for i := range m.A {
		out[i] = math.Log(m.B[i] / m.A[i])
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
	if m.HigherBetter {
		e.Margin = 1 / (1 + m.Margin)
	}
	b, middle, ok := m.evidence()
	if !ok {
		return e, 1
	}
	e.Pairs = min(len(m.A), len(m.B))
	e.Ratio = math.Exp(middle)
	e.Low, e.High = math.Exp(b.below(alpha)), math.Exp(b.below(1-alpha))
	limit := math.Log(e.Margin)
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
	word := map[Verdict]string{Fail: "beyond", Pass: "within", Inconclusive: "not told from"}[e.Verdict]
	e.Reason = fmt.Sprintf("%s: %s the margin of %.3g: %.3g (%.3g to %.3g)", e.Name, word, e.Margin, e.Ratio, e.Low, e.High)
}

func overall(all []Estimate) (Verdict, string) {
	why := map[Verdict][]string{}
	var untold []string
	gating := 0
	for _, e := range all {
		if e.Advisory {
			continue
		}
		if e.Guard && e.Verdict == Inconclusive {
			untold = append(untold, e.Name)
			continue
		}
		gating++
		why[e.Verdict] = append(why[e.Verdict], e.Reason)
	}
	switch {
	case gating == 0:
		return Inconclusive, "no metric to judge by"
	case len(why[Fail]) > 0:
		return Fail, strings.Join(why[Fail], "; ")
	case len(why[Inconclusive]) > 0:
		return Inconclusive, strings.Join(why[Inconclusive], "; ")
	}
	said := fmt.Sprintf("all %d metrics are within their margins", gating)
	if len(untold) > 0 {
		said += "; not told: " + strings.Join(untold, ", ")
	}
	return Pass, said
}

// uncontrolled takes a metric's verdict back where its control has too few
// pairs, or, of a guard, differs from itself.
func (e *Estimate) uncontrolled(d Data) {
	for _, m := range d.Control {
		if m.Name != e.Name || m.Advisory || e.Pairs == 0 {
			continue
		}
		low, high, ok := m.itself(d.gating())
		switch {
		case !ok:
			e.Verdict, e.Reason = Inconclusive, fmt.Sprintf("%s: the A/A control has no %d pairs of %s", e.Name, MinPairs, m.Name)
		case e.Guard && (low > 1 || high < 1):
			e.Verdict, e.Reason = Inconclusive, fmt.Sprintf("%s: the same build differs from itself (%.3g to %.3g)", e.Name, low, high)
		}
	}
}

// gating is how many metrics of the control are no advice.
func (d Data) gating() int {
	n := 0
	for _, m := range d.Control {
		if !m.Advisory {
			n++
		}
	}
	return n
}

// itself is a control's two-sided 95% interval, the level shared among so many
// metrics; not ok where it has too few pairs.
func (m Metric) itself(among int) (low, high float64, ok bool) {
	ratios, ok := m.logRatios()
	if !ok {
		return 0, 0, false
	}
	b := newSignedRank(ratios)
	tail := alpha / 2 / float64(among)
	return math.Exp(b.below(tail)), math.Exp(b.below(1 - tail)), true
}

// unsteady says why the control allows no verdict: it lacks, or a metric's
// interval excludes 1. Guards speak for themselves.
func unsteady(d Data) string {
	gating := d.gating()
	if gating == 0 {
		return "no verdict: there is no A/A control; measure the first arm against itself in the same run"
	}
	for _, m := range d.Control {
		if m.Advisory || m.Guard {
			continue
		}
		low, high, ok := m.itself(gating)
		if !ok {
			continue // that metric's verdict is taken back alone
		}
		if low > 1 || high < 1 {
			return fmt.Sprintf("no verdict: the same build differs from itself in %s (%.3g to %.3g): the host was not steady; run again when it is quiet", m.Name, low, high)
		}
	}
	return ""
}
