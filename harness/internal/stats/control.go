package stats

import "fmt"

// applyControl withdraws a metric's verdict where its control has too few
// pairs, or, of a guard, differs from itself.
func (e *Estimate) applyControl(d Data) {
	for _, m := range d.Control {
		if m.Name != e.Name || m.Advisory || e.Pairs == 0 {
			continue
		}
		low, high, ok := m.controlInterval(d.decisive())
		switch {
		case !ok:
			e.Verdict, e.Reason = Inconclusive, fmt.Sprintf("%s: the A/A control has no %d pairs of %s", e.Name, MinPairs, m.Name)
		case e.Guard && (low > m.same() || high < m.same()):
			e.Verdict, e.Reason = Inconclusive, fmt.Sprintf("%s: the same build differs from itself (%.3g to %.3g)", e.Name, low, high)
		}
	}
}

// decisive is the number of metrics of the control that are not advisory.
func (d Data) decisive() int {
	n := 0
	for _, m := range d.Control {
		if !m.Advisory {
			n++
		}
	}
	return n
}

// controlInterval is a control's two-sided 95% interval, with the level shared by
// that many metrics. ok is false where it has too few pairs.
func (m Metric) controlInterval(among int) (low, high float64, ok bool) {
	ratios, ok := m.logRatios()
	if !ok {
		return 0, 0, false
	}
	b := newSignedRank(ratios)
	tail := alpha / 2 / float64(among)
	return m.back(b.below(tail)), m.back(b.below(1 - tail)), true
}

// controlProblem says why the control allows no verdict: there is none, or the
// interval of a metric excludes 1. Guards are left to applyControl.
func controlProblem(d Data) string {
	decisive := d.decisive()
	if decisive == 0 {
		return "no verdict: there is no A/A control; measure the first arm against itself in the same run"
	}
	for _, m := range d.Control {
		if m.Advisory || m.Guard {
			continue
		}
		low, high, ok := m.controlInterval(decisive)
		if !ok {
			continue // applyControl withdraws that metric's verdict
		}
		if low > m.same() || high < m.same() {
			return fmt.Sprintf("no verdict: the same build differs from itself in %s (%.3g to %.3g):"+
				" the host was not steady; run again when it is quiet", m.Name, low, high)
		}
	}
	return ""
}
