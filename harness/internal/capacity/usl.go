package capacity

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// Round is throughput, requests/s, by number of replicas, measured one
// right after the other: how fast the host is at that moment falls on all of a
// round.
type Round map[int]float64

// USL is the universal scalability law: with n replicas the throughput is
//
//	X(n) = Lambda n / (1 + Contention (n-1) + Coherency n (n-1))
//
// Lambda is one replica's, Contention the share of the work that replicas wait for
// each other, Coherency the cost of keeping them consistent.
// None is negative.
type USL struct{ Lambda, Contention, Coherency float64 }

// At is the throughput with n replicas.
func (u USL) At(n float64) float64 {
	return u.Lambda * n / (1 + u.Contention*(n-1) + u.Coherency*n*(n-1))
}

// Peak is the number of replicas beyond which more make it slower; infinite
// where Coherency is 0.
func (u USL) Peak() float64 {
	if u.Coherency <= 0 {
		return math.Inf(1)
	}
	return math.Sqrt(max(0, 1-u.Contention) / u.Coherency)
}

// Interval is a figure with its two-sided 95% bootstrap interval.
type Interval struct{ Value, Low, High float64 }

// Fit is a fitted law and what it says.
type Fit struct {
	USL
	ContentionRange, CoherencyRange Interval
	Predictions                     []Prediction
	// Identified is false where the data do not tell the parameters apart; Why
	// says so, and no prediction may be used then.
	Identified bool
	Why        string
}

// Prediction is an extrapolation: it was not measured.
type Prediction struct {
	N int
	Interval
}

// Of the fit.
const (
	draws = 2000
	// loosest is how many times wider than its lower end a prediction for ten
	// replicas may be before it says nothing.
	loosest = 2.0
	// worstFit is how far, as a share, the law may miss what was measured.
	worstFit = 0.05
)

// FitUSL fits the law to rounds of at least three numbers of replicas, the same
// in each, and predicts for others. Rounds are scaled to their typical speed
// first, so that only what replicas do to throughput within a round counts.
// Uncertainty is a bootstrap over rounds; the same rounds and seed give the same
// fit.
func FitUSL(rounds []Round, predict []int, seed uint64) (Fit, error) {
	ns, err := replicas(rounds)
	if err != nil {
		return Fit{}, err
	}
	byN := scaled(ns, rounds)
	f := Fit{USL: least(ns, byN)}
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // repeatable, not secret
	drawn, again := make([]USL, draws), make([]Round, len(rounds))
	for i := range drawn {
		for j := range again {
			again[j] = rounds[random.IntN(len(rounds))]
		}
		drawn[i] = least(ns, scaled(ns, again))
	}
	f.ContentionRange = interval(f.Contention, drawn, func(u USL) float64 { return u.Contention })
	f.CoherencyRange = interval(f.Coherency, drawn, func(u USL) float64 { return u.Coherency })
	for _, n := range predict {
		f.Predictions = append(f.Predictions, Prediction{n, interval(f.At(float64(n)), drawn, func(u USL) float64 { return u.At(float64(n)) })})
	}
	f.identify(ns, byN, drawn)
	return f, nil
}

// replicas are the numbers of replicas that rounds have, in order.
func replicas(rounds []Round) ([]int, error) {
	if len(rounds) < 2 {
		return nil, fmt.Errorf("scalability: %d round(s): want two or more, or there is no uncertainty to state", len(rounds))
	}
	ns := slices.Sorted(maps.Keys(rounds[0]))
	if len(ns) < 3 {
		return nil, errors.New("scalability: want three numbers of replicas or more: the law has three parameters")
	}
	for i, r := range rounds {
		if got := slices.Sorted(maps.Keys(r)); !slices.Equal(got, ns) {
			return nil, fmt.Errorf("scalability: round %d has %v replicas, round 1 %v: want the same in all", i+1, got, ns)
		}
		for n, x := range r {
			if n < 1 || !(x > 0) {
				return nil, fmt.Errorf("scalability: %d replicas at %v requests/s cannot be", n, x)
			}
		}
	}
	return ns, nil
}

// scaled are the rounds' throughputs by number of replicas, each round's made as
// fast as the geometric mean of all.
func scaled(ns []int, rounds []Round) map[int][]float64 {
	speeds := make([]float64, len(rounds)) // logarithms
	var typical float64
	for i, r := range rounds {
		for _, n := range ns {
			speeds[i] += math.Log(r[n]) / float64(len(ns))
		}
		typical += speeds[i] / float64(len(rounds))
	}
	out := map[int][]float64{}
	for i, r := range rounds {
		for _, n := range ns {
			out[n] = append(out[n], r[n]*math.Exp(typical-speeds[i]))
		}
	}
	return out
}

// identify says whether the data tell the parameters apart.
func (f *Fit) identify(ns []int, byN map[int][]float64, drawn []USL) {
	most := ns[len(ns)-1]
	for _, n := range ns {
		var mean float64
		for _, x := range byN[n] {
			mean += x / float64(len(byN[n]))
		}
		if off := f.At(float64(n))/mean - 1; math.Abs(off) > worstFit {
			f.Why = fmt.Sprintf("the law does not describe what was measured: with %d replicas it predicts %.0f requests/s, %.0f were measured "+
				"(%+.0f%%): the host's noise, or something that the replicas share, decided", n, f.At(float64(n)), mean, off*100)
			return
		}
	}
	ten := interval(f.At(10), drawn, func(u USL) float64 { return u.At(10) })
	switch {
	case ten.Low <= 0 || ten.High/ten.Low > loosest:
		f.Why = fmt.Sprintf("with ten replicas it may be anything from %.0f to %.0f requests/s: "+
			"the measurements with up to %d replicas cannot distinguish contention from coherency", ten.Low, ten.High, most)
	case f.At(float64(most)) < 1.05*f.At(float64(ns[0])):
		f.Why = fmt.Sprintf("%d replicas carry no more than %d: something they share was saturated (the host's cores, the origin, "+
			"the generator), and the law would describe that, not the gateway", most, ns[0])
	default:
		f.Identified = true
	}
}

func interval(value float64, drawn []USL, of func(USL) float64) Interval {
	v := make([]float64, len(drawn))
	for i, u := range drawn {
		v[i] = of(u)
	}
	slices.Sort(v)
	return Interval{value, v[len(v)*25/1000], v[len(v)-1-len(v)*25/1000]}
}

// least is the least-squares fit with no negative parameter. Written as
// n/X = a + b (n-1) + c n (n-1) the law is linear, with lambda = 1/a, contention =
// b/a, coherency = c/a; each equation is weighted by X/n, so that relative errors of
// the throughput count alike. Where an unconstrained b or c is negative, the
// best fit has it, or both, at zero.
func least(ns []int, byN map[int][]float64) USL {
	best, bestError := USL{}, math.Inf(1)
	for _, with := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
		u, ok := solve(ns, byN, with)
		if !ok || u.Contention < 0 || u.Coherency < 0 || !(u.Lambda > 0) {
			continue
		}
		if e := squares(ns, byN, u); e < bestError*(1-1e-12) {
			best, bestError = u, e
		}
	}
	return best
}

// squares are the weighted residuals of the linear form.
func squares(ns []int, byN map[int][]float64, u USL) (sum float64) {
	for _, n := range ns {
		for _, x := range byN[n] {
			e := 1 - x/u.At(float64(n))
			sum += e * e
		}
	}
	return sum
}

// solve fits with contention, coherency or both free; the others are 0.
func solve(ns []int, byN map[int][]float64, free [2]bool) (USL, bool) {
	var m [3][4]float64 // normal equations
	columns := []int{0}
	for i, on := range free {
		if on {
			columns = append(columns, i+1)
		}
	}
	for _, n := range ns {
		for _, x := range byN[n] {
			w := x / float64(n)
			row := [3]float64{w, w * float64(n-1), w * float64(n*(n-1))}
			for i, ci := range columns {
				for j, cj := range columns {
					m[i][j] += row[ci] * row[cj]
				}
				m[i][3] += row[ci] // the right side is w n/x = 1
			}
		}
	}
	v, ok := gauss(m, len(columns))
	if !ok || v[0] <= 0 {
		return USL{}, false
	}
	var all [3]float64
	for i, c := range columns {
		all[c] = v[i]
	}
	return USL{1 / all[0], all[1] / all[0], all[2] / all[0]}, true
}

// gauss solves k equations; ok is false where they do not determine a solution.
func gauss(m [3][4]float64, k int) (v [3]float64, ok bool) {
	for i := range k {
		p := i
		for r := i + 1; r < k; r++ {
			if math.Abs(m[r][i]) > math.Abs(m[p][i]) {
				p = r
			}
		}
		m[i], m[p] = m[p], m[i]
		if math.Abs(m[i][i]) < 1e-12 {
			return v, false
		}
		for r := range k {
			if r == i {
				continue
			}
			f := m[r][i] / m[i][i]
			for c := i; c < k; c++ {
				m[r][c] -= f * m[i][c]
			}
			m[r][3] -= f * m[i][3]
		}
	}
	for i := range k {
		v[i] = m[i][3] / m[i][i]
	}
	return v, true
}
