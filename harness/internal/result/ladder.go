package result

// Rung is a stage with its ratios to the others. A ratio to or from a stage that
// is not valid is nil: it would be as untrue as that stage's figures.
type Rung struct {
	*Stage
	Previous      *Stage   // nil for the first stage
	VsFirst       *float64 // ratio of QPS
	VsPrevious    *float64 // ratio of QPS
	P99VsPrevious *float64
}

// Ladder compares each stage with the first and with the one before it, in the
// order in which they ran.
func (r *Result) Ladder() []Rung {
	rungs := make([]Rung, len(r.Stages))
	for i := range r.Stages {
		rungs[i].Stage = &r.Stages[i]
		if i == 0 {
			continue
		}
		now, before := rungs[i].Stage, rungs[i-1].Stage
		if now.Valid && r.Stages[0].Valid {
			rungs[i].VsFirst = divided(now.QPS, r.Stages[0].QPS)
		}
		if now.Valid && before.Valid {
			rungs[i].VsPrevious = divided(now.QPS, before.QPS)
			rungs[i].P99VsPrevious = divided(now.P99(), before.P99())
		}
		rungs[i].Previous = before
	}
	return rungs
}

// Final is the last valid stage with a measured capacity or, where there is none,
// with a measured latency. It is nil where no stage has either.
func (r *Result) Final() *Rung {
	rungs := r.Ladder()
	for _, measured := range []func(*Stage) bool{
		func(s *Stage) bool { return s.QPS != nil },
		func(s *Stage) bool { return s.LatencyMS != nil && s.Load.OfferedQPS != nil },
	} {
		for i := len(rungs) - 1; i >= 0; i-- {
			if rungs[i].Valid && measured(rungs[i].Stage) {
				return &rungs[i]
			}
		}
	}
	return nil
}

// divided is a/b; nil where either is missing or b is zero.
func divided(a, b *float64) *float64 {
	if a == nil || b == nil || *b == 0 {
		return nil
	}
	q := *a / *b
	return &q
}
