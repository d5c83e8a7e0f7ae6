package gate

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// Rates are how often the gate would come to each verdict.
type Rates struct {
	What         string  `json:"what"`
	Ratio        float64 `json:"ratio"` // that Head's figures were multiplied by
	Times        int     `json:"times"`
	Pass         float64 `json:"pass"` // shares, 0 to 1
	Fail         float64 `json:"fail"`
	Inconclusive float64 `json:"inconclusive"`
	Extended     float64 `json:"extended"`
	// Untold is how often each metric was what left the verdict open, also beside others.
	Untold map[string]float64 `json:"untold,omitempty"`
}

// controlName is the name in Rates.Untold of an A/A control that differed.
const controlName = "A/A control"

// note counts what left a verdict open.
func (r *Rates) note(c stats.Comparison) {
	none := true
	for _, e := range c.Metrics {
		if !e.Advisory && !e.Guard && e.Verdict == stats.Inconclusive {
			none = false
			r.untold(e.Name, 1)
		}
	}
	if none {
		r.untold(controlName, 1)
	}
}

func (r *Rates) untold(name string, n float64) {
	if r.Untold == nil {
		r.Untold = map[string]float64{}
	}
	r.Untold[name] += n
}

// divide turns counts into shares of n.
func (r *Rates) divide(n float64) {
	r.Pass /= n
	r.Fail /= n
	r.Inconclusive /= n
	r.Extended /= n
	for name := range r.Untold {
		r.Untold[name] /= n
	}
}

// Draws say what Replay estimates.
type Draws struct {
	Arm     string  // that is set against Base
	Ratio   float64 // that the arm's figures are multiplied by
	CPUOnly bool    // leaves latency as it was
	// Equal says that the records compared equal builds. Then the arms of a round are
	// the same thing measured three times, and each draw exchanges them at random: what
	// chance made of one record's arms is not taken for a difference that all draws share.
	Equal bool
	Times int
	Seed  uint64
}

// Replay estimates the gate's error rates from the recorded rounds of one gate or
// of several: each time it draws rounds from a record, with replacement, sets an
// arm against Base, multiplies that arm's figures by a ratio, and goes through the
// whole procedure, extension included. With Again, Base's own second replica, or
// with equal builds, and ratio 1 the share of failures is the rate of false alarms;
// with another ratio it is how often such a regression is found. With Head and ratio 1
// it is how often what was measured is found. The control is drawn apart, unless the
// builds are equal.
//
// Each record needs stats.MinPairs rounds.
func Replay(records []*Record, d Draws) (Rates, error) {
	if len(records) == 0 {
		return Rates{}, errors.New("replay: no records")
	}
	var all Rates
	for i, r := range records {
		mine := d
		mine.Times = max(d.Times/len(records), min(d.Times, 1))
		mine.Seed += uint64(i)
		one, err := mine.of(r)
		if err != nil {
			return Rates{}, err
		}
		n := float64(one.Times)
		all.What, all.Ratio = one.What, d.Ratio
		all.Times += one.Times
		all.Pass, all.Fail = all.Pass+one.Pass*n, all.Fail+one.Fail*n
		all.Inconclusive, all.Extended = all.Inconclusive+one.Inconclusive*n, all.Extended+one.Extended*n
		for name, share := range one.Untold {
			all.untold(name, share*n)
		}
	}
	n := float64(all.Times)
	all.divide(n)
	return all, nil
}

// check says what of the draws, or of a record, cannot be.
func (d Draws) check(r *Record) error {
	have := r.Measured()
	switch {
	case d.Arm != Head && d.Arm != Again:
		return fmt.Errorf("replay: arm %q is not allowed: want %s or %s", d.Arm, Head, Again)
	case r.Arms[Head] == "" && d.Arm == Head:
		return errors.New("replay: the record has no second build")
	case d.Equal && d.Arm != Head:
		return fmt.Errorf("replay: arm %q is not allowed with equal builds: want %s", d.Arm, Head)
	case have < stats.MinPairs:
		return fmt.Errorf("replay: %d rounds were recorded: want at least %d", have, stats.MinPairs)
	case d.Times < 1:
		return fmt.Errorf("replay: times %d is not allowed: want 1 or more", d.Times)
	case !(d.Ratio > 0):
		return fmt.Errorf("replay: ratio %v is not allowed: want above 0", d.Ratio)
	}
	return nil
}

// of estimates from one record.
func (d Draws) of(r *Record) (Rates, error) {
	if err := d.check(r); err != nil {
		return Rates{}, err
	}
	out := Rates{Ratio: d.Ratio, Times: d.Times, What: "CPU per request and latency"}
	if d.CPUOnly {
		out.What = "CPU per request only"
	}
	random := rand.New(rand.NewPCG(d.Seed, 1)) //nolint:gosec // resampling wants repeatable numbers, not secret ones
	byRound := r.byRound()
	for range d.Times {
		one := d.draw(r, byRound, random)
		c := one.decide(d, r.Rounds)
		if c.Verdict == stats.Inconclusive && r.MaxRounds > r.Rounds {
			out.Extended++
			c = one.decide(d, r.MaxRounds)
		}
		switch c.Verdict {
		case stats.Pass:
			out.Pass++
		case stats.Fail:
			out.Fail++
		default:
			out.Inconclusive++
			out.note(c)
		}
	}
	n := float64(d.Times)
	out.divide(n)
	return out, nil
}

// drawn are rounds that might have been measured.
type drawn struct {
	record  *Record
	rounds  []int
	control []int // the rounds of the control
}

// draw draws a gate's rounds with replacement.
func (d Draws) draw(r *Record, byRound map[int][]Sample, random *rand.Rand) drawn {
	have := r.Measured()
	pick := func() []int {
		rounds := make([]int, r.MaxRounds)
		for i := range rounds {
			rounds[i] = 1 + random.IntN(have)
		}
		return rounds
	}
	if !d.Equal {
		return drawn{record: r, rounds: pick(), control: pick()}
	}
	out := drawn{record: r.without()}
	arms := []string{Base, Again, Head}
	for i, from := range pick() {
		becomes := map[string]string{}
		for j, k := range random.Perm(len(arms)) {
			becomes[arms[j]] = arms[k]
		}
		for _, s := range byRound[from] {
			s.Round, s.Arm = i+1, becomes[s.Arm]
			out.record.Samples = append(out.record.Samples, s)
		}
		out.rounds = append(out.rounds, i+1)
	}
	out.control = out.rounds
	return out
}

// byRound are a record's samples by their rounds.
func (r *Record) byRound() map[int][]Sample {
	out := map[int][]Sample{}
	for _, s := range r.Samples {
		out[s.Round] = append(out[s.Round], s)
	}
	return out
}

// without is the record without its samples.
func (r *Record) without() *Record {
	out := *r
	out.Samples = make([]Sample, 0, len(r.Samples))
	return &out
}

// decide judges the first n of the drawn rounds.
func (w drawn) decide(by Draws, n int) stats.Comparison {
	d, _ := w.record.data(w.rounds[:n], w.control[:n], by.Arm)
	d.Looks = w.record.looks()
	for i := range d.Metrics {
		m := &d.Metrics[i]
		ratio := by.Ratio
		switch {
		case m.HigherBetter:
			ratio = 1 / by.Ratio
		case m.Shares, by.CPUOnly && !isCPU(m.Name):
			ratio = 1 // which requests would be slow cannot be told from their number
		}
		for j := range m.B {
			m.B[j] *= ratio
		}
	}
	return stats.Compare(d)
}

func isCPU(name string) bool {
	return len(name) > len(MetricCPU) && name[len(name)-len(MetricCPU):] == MetricCPU
}
