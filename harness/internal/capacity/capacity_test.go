package capacity

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/slo"
)

// queue is a server of one kind: latency 5 ms at rest, without bound at full.
func queue(full float64) func(float64, bool) (Point, error) {
	return func(rate float64, _ bool) (Point, error) {
		p := Point{Rate: rate, QPS: rate, Valid: true}
		if rate >= full {
			p.QPS, p.ErrorRate = full, 1-full/rate
			return p, nil
		}
		ms := 5 / (1 - rate/full)
		p.P50MS, p.P99MS = &ms, &ms
		return p, nil
	}
}

func plan() Plan {
	return Plan{SLO: slo.Objectives{slo.At(slo.P99, "", 50), slo.At(slo.Errors, "", 0.001)}, From: 100, To: 1e5, Precision: 0.02, Confirms: 3}
}

func TestSearchFindsTheRate(t *testing.T) {
	for _, full := range []float64{150, 1000, 7777, 50_000} {
		f, err := Search(plan(), queue(full))
		if err != nil {
			t.Fatal(err)
		}
		// 5/(1-r/full) = 50 at nine tenths.
		if want := 0.9 * full; f.Rate > want || f.Rate < want*0.97 {
			t.Errorf("full at %v: found %v, want just below %v", full, f.Rate, want)
		}
		if len(f.Confirm) != 3 || !f.Confirm[0].Confirms || !strings.HasPrefix(f.Limit, "the SLO: ") {
			t.Errorf("confirmed by %d windows, limited by %q", len(f.Confirm), f.Limit)
		}
	}
}

func TestSearchIsHonestAboutItsEnds(t *testing.T) {
	low, err := Search(plan(), queue(50))
	if err != nil || low.Rate != 0 || len(low.Points) != 1 {
		t.Errorf("nothing meets the SLO: %+v %v", low, err)
	}
	p := plan()
	p.To = 1000
	high, err := Search(p, queue(1e6))
	if err != nil || high.Rate != 1000 || high.Limit != "the highest rate that was asked for" {
		t.Errorf("nothing misses the SLO: %+v %v", high, err)
	}
	weak, err := Search(plan(), func(rate float64, c bool) (Point, error) {
		p, _ := queue(50_000)(rate, c)
		p.Valid, p.Why = rate < 2000, "send lag"
		return p, nil
	})
	if err != nil || weak.Rate >= 2000 || weak.Rate < 1900 || !strings.HasPrefix(weak.Limit, "the generator: send lag") {
		t.Errorf("a weak generator: %v, %q, %v", weak.Rate, weak.Limit, err)
	}
	hiccups := 0
	once, err := Search(plan(), func(rate float64, c bool) (Point, error) {
		p, _ := queue(1000)(rate, c)
		hiccups++
		p.Valid = hiccups%3 != 0 // every third
		return p, nil
	})
	if err != nil || once.Rate > 900 || once.Rate < 870 || len(once.Confirm) != 3 {
		t.Errorf("hiccups of the host: %v, confirmed by %d windows, %v", once.Rate, len(once.Confirm), err)
	}
	if _, err := Search(plan(), func(float64, bool) (Point, error) { return Point{}, errors.New("gone") }); err == nil {
		t.Error("an error was swallowed")
	}
}

// TestSearchPassesABadBottom: slow requests of a limited rate
// are more than a hundredth of few requests, and less of many.
func TestSearchPassesABadBottom(t *testing.T) {
	f, err := Search(plan(), func(rate float64, c bool) (Point, error) {
		p, _ := queue(10_000)(rate, c)
		if slow := 167.0; rate < 3000 {
			p.P99MS = &slow
		}
		return p, nil
	})
	if err != nil || f.Rate > 9000 || f.Rate < 8700 {
		t.Errorf("found %v, %v, want just below 9000", f.Rate, err)
	}
}

func TestSearchConfirms(t *testing.T) {
	// Met once, but not when looked at again: 700 is what holds.
	f, err := Search(plan(), func(rate float64, confirms bool) (Point, error) {
		if confirms {
			return queue(777)(rate, true)
		}
		return queue(1000)(rate, false)
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.Rate > 0.9*777 || f.Rate < 0.9*777*0.88 {
		t.Errorf("confirmed %v, want just below %v", f.Rate, 0.9*777.0)
	}
}

func TestKnee(t *testing.T) {
	var curve []Point
	for _, r := range []float64{100, 300, 500, 700, 900, 980} {
		p, _ := queue(1000)(r, false)
		curve = append(curve, p)
	}
	if at, ok := Knee(curve); !ok || at != 900 {
		t.Errorf("knee at %v %v, want 900", at, ok)
	}
	if at, ok := Knee(curve[:3]); ok {
		t.Errorf("a knee at %v of three points", at)
	}
	for i := range curve { // latency that falls has no knee
		ms := 100 - float64(i)
		curve[i].P99MS = &ms
	}
	if at, ok := Knee(curve); ok {
		t.Errorf("a knee at %v of a falling line", at)
	}
}

func TestWhatASearchCannotLookForIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"p99<50ms,qps>100":  "a search varies the rate",
		"availability>=99%": "a search has no probes",
	} {
		p := plan()
		var err error
		if p.SLO, err = slo.Parse(text); err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What a point has no field for decides as well.
func TestEveryObjectiveDecides(t *testing.T) {
	p := plan()
	var err error
	if p.SLO, err = slo.Parse("p99<50ms,cpu<200us"); err != nil {
		t.Fatal(err)
	}
	f, err := Search(p, func(rate float64, c bool) (Point, error) {
		at, err := queue(10_000)(rate, c)
		us := rate / 10
		at.More = map[string]*float64{"cpu<200us": &us}
		return at, err
	})
	if err != nil || f.Rate >= 2000 || f.Rate < 1900 || !strings.Contains(f.Limit, "want cpu<200us") {
		t.Errorf("found %v, limited by %q, %v: want just below 2000, where the CPU time ends it", f.Rate, f.Limit, err)
	}
}

// law draws rounds of a law with relative noise, on a host whose speed wanders
// from round to round.
func law(u USL, noise, wander float64, each int, ns ...int) []Round {
	random := rand.New(rand.NewPCG(5, 5))
	out := make([]Round, each)
	for i := range out {
		out[i] = Round{}
		speed := math.Exp(wander * random.NormFloat64())
		for _, n := range ns {
			out[i][n] = u.At(float64(n)) * speed * math.Exp(noise*random.NormFloat64())
		}
	}
	return out
}

func TestFitRecoversTheLaw(t *testing.T) {
	for _, want := range []USL{{1000, 0.05, 0.01}, {1000, 0, 0}, {500, 0.3, 0}, {2000, 0, 0.02}} {
		f, err := FitUSL(law(want, 0, 0, 3, 1, 2, 3), []int{10, 100}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(f.Lambda/want.Lambda-1) > 1e-6 || math.Abs(f.Contention-want.Contention) > 1e-6 ||
			math.Abs(f.Coherency-want.Coherency) > 1e-6 {
			t.Errorf("%+v is found as %+v", want, f.USL)
		}
		if p := f.Predictions[0]; p.N != 10 || math.Abs(p.Value/want.At(10)-1) > 1e-6 {
			t.Errorf("%+v: with ten %v, want %v", want, p, want.At(10))
		}
	}
}

func TestFitSaysWhenItDoesNotKnow(t *testing.T) {
	clear, err := FitUSL(law(USL{1000, 0.05, 0.001}, 0.002, 0, 5, 1, 2, 3), []int{10}, 1)
	if err != nil || !clear.Identified {
		t.Errorf("little noise: %+v %v", clear, err)
	}
	if p := clear.Predictions[0]; p.Low > p.Value || p.High < p.Value {
		t.Errorf("%v is outside of its interval", p)
	}
	noisy, err := FitUSL(law(USL{1000, 0.05, 0.01}, 0.15, 0, 3, 1, 2, 3), []int{10}, 1)
	if err != nil || noisy.Identified || noisy.Why == "" {
		t.Errorf("much noise: identified %v, %q, %v", noisy.Identified, noisy.Why, err)
	}
	full, err := FitUSL([]Round{{1: 1000, 2: 1005, 3: 1002}, {1: 1001, 2: 1004, 3: 1001}}, nil, 1)
	if err != nil || full.Identified || !strings.Contains(full.Why, "share was saturated") {
		t.Errorf("a full host: identified %v, %q, %v", full.Identified, full.Why, err)
	}
	// As it was seen on two busy cores: narrow intervals of a law that is wrong.
	wrong, err := FitUSL([]Round{{1: 11119, 2: 21855, 3: 17544}, {1: 12527, 2: 19935, 3: 16926}}, []int{10}, 1)
	if err != nil || wrong.Identified || !strings.Contains(wrong.Why, "does not describe") {
		t.Errorf("a law that misses the data: identified %v, %q, %v", wrong.Identified, wrong.Why, err)
	}
	for _, bad := range [][]Round{
		nil, {{1: 1, 2: 2}, {1: 1, 2: 2}}, {{1: 1, 2: 2, 3: 3}}, {{0: 1, 1: 1, 2: 2}, {0: 1, 1: 1, 2: 2}},
		{{1: 1, 2: 2, 3: 3}, {1: 1, 2: -2, 3: 3}}, {{1: 1, 2: 2, 3: 3}, {1: 1, 2: 2}},
	} {
		if f, err := FitUSL(bad, nil, 1); err == nil {
			t.Errorf("%v is fitted by %+v", bad, f.USL)
		}
	}
}

// TestFitSeesThroughAWanderingHost: between rounds the host is a third faster or
// slower, within them it is the same. One after another, the numbers of replicas
// would each have met another host.
func TestFitSeesThroughAWanderingHost(t *testing.T) {
	want := USL{1000, 0.05, 0.002}
	f, err := FitUSL(law(want, 0.003, 0.3, 8, 1, 2, 3), []int{10}, 1)
	if err != nil || !f.Identified {
		t.Fatalf("%+v %v", f, err)
	}
	if math.Abs(f.Contention-want.Contention) > 0.02 || f.ContentionRange.Low > want.Contention || f.ContentionRange.High < want.Contention {
		t.Errorf("contention %+v, want about %v", f.ContentionRange, want.Contention)
	}
}

func TestFitIsRepeatable(t *testing.T) {
	s := law(USL{1000, 0.1, 0.01}, 0.05, 0.2, 4, 1, 2, 3)
	a, _ := FitUSL(s, []int{10}, 9)
	b, _ := FitUSL(s, []int{10}, 9)
	if a.Predictions[0] != b.Predictions[0] || a.ContentionRange != b.ContentionRange {
		t.Errorf("%+v and %+v of the same samples", a, b)
	}
}

func TestPeak(t *testing.T) {
	u := USL{1000, 0.1, 0.01}
	n := u.Peak()
	if u.At(n) < u.At(n*1.05) || u.At(n) < u.At(n*0.95) {
		t.Errorf("%v is no peak", n)
	}
	if !math.IsInf(USL{1, 0.5, 0}.Peak(), 1) {
		t.Error("a peak without agreeing")
	}
}
