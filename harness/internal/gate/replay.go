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
}

// divide turns counts into shares of n.
func (r *Rates) divide(n float64) {
	r.Pass /= n
	r.Fail /= n
	r.Inconclusive /= n
	r.Extended /= n
}

// Replay estimates the gate's error rates from the recorded rounds of one gate or
// of several: each time it draws rounds from a record, with replacement, sets an
// arm against Base, multiplies that arm's figures by ratio, and goes through the
// whole procedure, extension included. With Again, Base's own second replica, and
// ratio 1 the share of failures is the rate of false alarms; with another ratio
// it is how often such a regression is found. With Head and ratio 1 it is how
// often what was measured is found. The control is drawn apart.
//
// cpuOnly leaves latency as it was. Each record needs stats.MinPairs rounds.
func Replay(records []*Record, arm string, times int, ratio float64, cpuOnly bool, seed uint64) (Rates, error) {
	if len(records) == 0 {
		return Rates{}, errors.New("replay: no records")
	}
	var all Rates
	for i, r := range records {
		one, err := replay(r, arm, max(times/len(records), min(times, 1)), ratio, cpuOnly, seed+uint64(i))
		if err != nil {
			return Rates{}, err
		}
		n := float64(one.Times)
		all.What, all.Ratio = one.What, ratio
		all.Times += one.Times
		all.Pass, all.Fail = all.Pass+one.Pass*n, all.Fail+one.Fail*n
		all.Inconclusive, all.Extended = all.Inconclusive+one.Inconclusive*n, all.Extended+one.Extended*n
	}
	n := float64(all.Times)
	all.divide(n)
	return all, nil
}

func replay(r *Record, arm string, times int, ratio float64, cpuOnly bool, seed uint64) (Rates, error) {
	have := r.Measured()
	switch {
	case arm != Head && arm != Again:
		return Rates{}, fmt.Errorf("replay: arm %q is not allowed: want %s or %s", arm, Head, Again)
	case r.Arms[Head] == "" && arm == Head:
		return Rates{}, errors.New("replay: the record has no second build")
	case have < stats.MinPairs:
		return Rates{}, fmt.Errorf("replay: %d rounds were recorded: want at least %d", have, stats.MinPairs)
	case times < 1:
		return Rates{}, fmt.Errorf("replay: times %d is not allowed: want 1 or more", times)
	case !(ratio > 0):
		return Rates{}, fmt.Errorf("replay: ratio %v is not allowed: want above 0", ratio)
	}
	out := Rates{Ratio: ratio, Times: times, What: "CPU per request and latency"}
	if cpuOnly {
		out.What = "CPU per request only"
	}
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // resampling wants repeatable numbers, not secret ones
	draw := func(n int) []int {
		rounds := make([]int, n)
		for i := range rounds {
			rounds[i] = 1 + random.IntN(have)
		}
		return rounds
	}
	for range times {
		rounds, control := draw(r.MaxRounds), draw(r.MaxRounds)
		verdict := replayOnce(r, arm, rounds[:r.Rounds], control[:r.Rounds], ratio, cpuOnly)
		if verdict == stats.Inconclusive && r.MaxRounds > r.Rounds {
			out.Extended++
			verdict = replayOnce(r, arm, rounds, control, ratio, cpuOnly)
		}
		switch verdict {
		case stats.Pass:
			out.Pass++
		case stats.Fail:
			out.Fail++
		default:
			out.Inconclusive++
		}
	}
	n := float64(times)
	out.divide(n)
	return out, nil
}

func replayOnce(r *Record, arm string, rounds, control []int, ratio float64, cpuOnly bool) stats.Verdict {
	d, _ := r.data(rounds, control, arm)
	d.Looks = r.looks()
	for i := range d.Metrics {
		m := &d.Metrics[i]
		by := ratio
		switch {
		case m.HigherBetter:
			by = 1 / ratio
		case cpuOnly && !isCPU(m.Name):
			by = 1
		}
		for j := range m.B {
			m.B[j] *= by
		}
	}
	return stats.Compare(d).Verdict
}

func isCPU(name string) bool {
	return len(name) > len(MetricCPU) && name[len(name)-len(MetricCPU):] == MetricCPU
}
