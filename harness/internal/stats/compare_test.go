package stats

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// pairs are n rounds of two arms on a host whose speed changes from round to
// round (common to both) and from attack to attack (each its own). The second
// arm is worse by ratio.
func pairs(random *rand.Rand, n int, ratio, common, own float64) (a, b []float64) {
	for range n {
		host := math.Exp(common * random.NormFloat64())
		a = append(a, 100*host*math.Exp(own*random.NormFloat64()))
		b = append(b, 100*ratio*host*math.Exp(own*random.NormFloat64()))
	}
	return a, b
}

// data is a comparison of one metric with a margin of 10%, and a control.
func data(random *rand.Rand, n int, ratio, own float64) Data {
	a, b := pairs(random, n, ratio, 0.2, own)
	ca, cb := pairs(random, n, 1, 0.2, own/4)
	return Data{
		Metrics: []Metric{{Name: "cpu", Margin: 0.10, A: a, B: b}},
		Control: []Metric{{Name: "cpu", A: ca, B: cb}},
	}
}

// shares are how often each verdict came of many runs.
func shares(t *testing.T, runs, n int, ratio, own float64) map[Verdict]float64 {
	t.Helper()
	random := rand.New(rand.NewPCG(7, uint64(n)))
	out := map[Verdict]float64{}
	for range runs {
		out[Compare(data(random, n, ratio, own)).Verdict] += 1 / float64(runs)
	}
	return out
}

func TestCompareIsRightAsOftenAsItSays(t *testing.T) {
	const runs, noise = 400, 0.07
	for _, tt := range []struct {
		name    string
		ratio   float64
		verdict Verdict
		least   float64
		most    float64
	}{
		// One run in twenty is void by chance: the control's own 5%.
		{name: "the same build passes nearly always", ratio: 1, verdict: Pass, least: 0.80, most: 1},
		{name: "the same build hardly ever fails", ratio: 1, verdict: Fail, least: 0, most: 0.01},
		{name: "a better build passes", ratio: 0.7, verdict: Pass, least: 0.90, most: 1},
		{name: "a third worse fails nearly always", ratio: 1.33, verdict: Fail, least: 0.90, most: 1},
		{name: "a third worse never passes", ratio: 1.33, verdict: Pass, least: 0, most: 0},
		// The bootstrap of a median of few pairs is a little bold: 5% is what is
		// promised.
		{name: "exactly at the margin is called a regression by chance only", ratio: 1.10, verdict: Fail, least: 0, most: 0.08},
		{name: "exactly at the margin is passed by chance only", ratio: 1.10, verdict: Pass, least: 0, most: 0.08},
	} {
		for _, n := range []int{10, 20} {
			got := shares(t, runs, n, tt.ratio, noise)[tt.verdict]
			t.Logf("%d pairs: %s: %s in %.1f%%", n, tt.name, tt.verdict, got*100)
			if n == 20 && (got < tt.least || got > tt.most) {
				t.Errorf("%s: %s in %.1f%% of runs, want %.0f%% to %.0f%%", tt.name, tt.verdict, got*100, tt.least*100, tt.most*100)
			}
		}
	}
}

func TestPairingTakesTheHostOut(t *testing.T) {
	// The host's speed varies tenfold between rounds, the arms by 2% within one.
	random := rand.New(rand.NewPCG(1, 1))
	a, b := pairs(random, 12, 1.2, 1.0, 0.02)
	ca, cb := pairs(random, 12, 1, 1.0, 0.02)
	got := Compare(Data{
		Metrics: []Metric{{Name: "p99", Margin: 0.1, A: a, B: b}},
		Control: []Metric{{Name: "p99", A: ca, B: cb}},
	})
	if one := got.Metrics[0]; one.Verdict != Fail || !near(one.Ratio, 1.2, 0.03) {
		t.Errorf("20%% worse under a noisy host: %s, ratio %v", one.Verdict, one.Ratio)
	}
}

func repeat(v float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v * (1 + 0.001*float64(i%3))
	}
	return out
}

func TestCompareRules(t *testing.T) {
	even := Metric{Name: "cpu", Margin: 0.1, A: repeat(100, 10), B: repeat(100, 10)}
	worse := Metric{Name: "p99", Margin: 0.1, A: repeat(100, 10), B: repeat(150, 10)}
	advisory := Metric{Name: "throughput", HigherBetter: true, Margin: 0.1, Advisory: true, A: repeat(100, 10), B: repeat(50, 10)}
	slower := advisory
	slower.Advisory = false
	faster := Metric{Name: "throughput", HigherBetter: true, Margin: 0.1, A: repeat(100, 10), B: repeat(150, 10)}
	few := Metric{Name: "cpu", Margin: 0.1, A: repeat(100, 5), B: repeat(100, 5)}
	slowCPU := Metric{Name: "cpu", Margin: 0.1, A: repeat(100, 10), B: repeat(150, 10)}
	p99 := Metric{Name: "p99", Margin: 0.1, A: repeat(100, 10), B: repeat(100, 10)}
	fewP99 := Metric{Name: "p99", Margin: 0.1, A: repeat(100, 5), B: repeat(100, 5)}
	hole := Metric{Name: "cpu", Margin: 0.1, A: repeat(100, 10), B: append(repeat(100, 9), 0)}
	control := []Metric{even}
	for _, tt := range []struct {
		name   string
		data   Data
		want   Verdict
		reason string
	}{
		{name: "all within their margins", data: Data{Metrics: []Metric{even}, Control: control}, want: Pass, reason: "all 1 metrics"},
		{name: "one beyond fails all", data: Data{Metrics: []Metric{even, worse}, Control: control}, want: Fail,
			reason: "p99: beyond the margin of 1.1: 1.5"},
		{name: "an advisory metric decides nothing", data: Data{Metrics: []Metric{even, advisory}, Control: control}, want: Pass, reason: ""},
		{name: "less throughput is worse", data: Data{Metrics: []Metric{slower}, Control: control}, want: Fail,
			reason: "throughput: beyond the margin of 0.909"},
		{name: "more throughput is no regression", data: Data{Metrics: []Metric{faster}, Control: control}, want: Pass, reason: ""},
		{name: "too few pairs carry nothing", data: Data{Metrics: []Metric{few}, Control: control}, want: Inconclusive,
			reason: "not measured in 6 pairs"},
		{name: "a figure of zero is no measurement", data: Data{Metrics: []Metric{hole}, Control: control}, want: Inconclusive,
			reason: "not measured"},
		{name: "nothing to judge by", data: Data{Metrics: []Metric{advisory}, Control: control}, want: Inconclusive, reason: "no metric"},
		{name: "no control, no verdict", data: Data{Metrics: []Metric{even}}, want: Inconclusive, reason: "no A/A control"},
		{name: "a control that differs from itself voids a pass", data: Data{Metrics: []Metric{even}, Control: []Metric{worse}},
			want:   Inconclusive,
			reason: "differs from itself in p99"},
		{name: "and a fail", data: Data{Metrics: []Metric{worse}, Control: []Metric{worse}}, want: Inconclusive, reason: "differs from itself"},
		{name: "a control of too few pairs is none", data: Data{Metrics: []Metric{even}, Control: []Metric{few}}, want: Inconclusive,
			reason: "no 6 pairs of cpu"},
		{name: "what has a control may fail beside what has none", data: Data{Metrics: []Metric{slowCPU, p99}, Control: []Metric{even, fewP99}},
			want:   Fail,
			reason: "cpu: beyond"},
		{name: "but nothing passes beside it", data: Data{Metrics: []Metric{even, p99}, Control: []Metric{even, fewP99}}, want: Inconclusive,
			reason: "no 6 pairs of p99"},
		{name: "no failures in either arm", data: Data{Metrics: []Metric{even}, Control: control,
			Failures: &Failures{0, 10_000, 0, 10_000, 0.001}}, want: Pass,
			reason: ""},
		{name: "failures that are there now and were not before", data: Data{Metrics: []Metric{even}, Control: control,
			Failures: &Failures{0, 10_000, 100, 10_000, 0.001}}, want: Fail, reason: "error_rate: beyond"},
		{name: "a rise within the margin", data: Data{Metrics: []Metric{even}, Control: control,
			Failures: &Failures{0, 100_000, 20, 100_000, 0.001}}, want: Pass,
			reason: ""},
		{name: "too few requests to exclude a rise", data: Data{Metrics: []Metric{even}, Control: control,
			Failures: &Failures{0, 100, 0, 100, 0.001}},
			want: Inconclusive, reason: "error_rate: undecided at"},
	} {
		got := Compare(tt.data)
		if got.Verdict != tt.want || !strings.Contains(got.Reason, tt.reason) {
			t.Errorf("%s: %s because %q, want %s because of %q", tt.name, got.Verdict, got.Reason, tt.want, tt.reason)
		}
	}
}

func TestCompareIsRepeatable(t *testing.T) {
	d := data(rand.New(rand.NewPCG(3, 3)), 12, 1.05, 0.1)
	first, second := Compare(d), Compare(d)
	if first.Verdict != second.Verdict || first.Metrics[0] != second.Metrics[0] {
		t.Errorf("the same data gave %+v and %+v", first, second)
	}
}

func TestBootstrap(t *testing.T) {
	b := newBootstrap([]float64{3, 1, 2, 5, 4})
	if b.below(0.5) != 3 || b.below(0) != 1 || b.below(1) != 5 {
		t.Errorf("median %v, ends %v and %v; want 3, 1 and 5", b.below(0.5), b.below(0), b.below(1))
	}
	// Three or more of five draws are the highest: 10 x .2^3 x .8^2 + 5 x .2^4 x
	// .8 + .2^5.
	if got := b.atLeast(5); !near(got, 0.05792, 1e-9) {
		t.Errorf("the median is 5 in %v of draws, want 5.792%%", got)
	}
	if got := b.atMost(5); !near(got, 1, 1e-9) {
		t.Errorf("the median is at most 5 in %v of draws, want all", got)
	}
	if got := b.atLeast(6); got != 1.0/32 {
		t.Errorf("five values prove 1 in 32 at most, not %v", got)
	}
}

// TestBootstrapAgainstAllDraws compares the formulas with every draw that there
// is: 4^4 and 5^5 of them.
func TestBootstrapAgainstAllDraws(t *testing.T) {
	for _, x := range [][]float64{{1, 2, 4, 8}, {1, 2, 4, 8, 16}, {3}, {1, 5}, {2, 2, 7, 9}} {
		n := len(x)
		draws := int(math.Pow(float64(n), float64(n)))
		want := map[float64]float64{}
		for d := range draws {
			drawn := make([]float64, n)
			for i := range drawn {
				drawn[i] = x[d%n]
				d /= n
			}
			want[Median(drawn)] += 1 / float64(draws)
		}
		got := map[float64]float64{}
		for _, m := range newBootstrap(x).medians {
			got[m.value] += m.p
		}
		for v, p := range want {
			if !near(got[v], p, 1e-9) {
				t.Errorf("%v: median %v has probability %v, want %v", x, v, got[v], p)
			}
			delete(got, v)
		}
		for v, p := range got {
			if p > 1e-12 {
				t.Errorf("%v: median %v has probability %v and never comes", x, v, p)
			}
		}
	}
}

func TestSpread(t *testing.T) {
	if cv, ok := Spread([]float64{90, 100, 110}); !ok || !near(cv, 0.1, 1e-12) {
		t.Errorf("spread %v %v, want 10%%", cv, ok)
	}
	for _, none := range [][]float64{nil, {1}, {-1, 1}} {
		if _, ok := Spread(none); ok {
			t.Errorf("a spread of %v", none)
		}
	}
}

func TestNeededPairsCanFail(t *testing.T) {
	for _, looks := range []int{1, 2} {
		for _, metrics := range []int{1, 3, 7} {
			n := NeededPairs(metrics, looks)
			verdict := func(pairs int) Verdict {
				d := Data{Looks: looks}
				for i := range metrics {
					even := Metric{Name: "m", Margin: 0.1, A: repeat(100, pairs), B: repeat(100, pairs)}
					d.Control = append(d.Control, even)
					if i == 0 {
						even.B = repeat(200, pairs)
					}
					d.Metrics = append(d.Metrics, even)
				}
				return Compare(d).Verdict
			}
			if got := verdict(n); got != Fail {
				t.Errorf("%d metrics, %d looks: twice as much in %d pairs is %s", metrics, looks, n, got)
			}
			if n > MinPairs && verdict(n-1) == Fail {
				t.Errorf("%d metrics, %d looks: %d pairs do too", metrics, looks, n-1)
			}
		}
	}
}
