package gate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// TestDetectableIsWhatTheGateFinds compares the formula with the gate itself.
func TestDetectableIsWhatTheGateFinds(t *testing.T) {
	const pairs, noise = 20, 0.05
	n := stats.Noise{Pairs: noise * math.Sqrt2}
	found, within := Detectable(n, pairs, DefaultMargins().CPU)
	if !(within < 1.1 && found > 1.1) {
		t.Fatalf("found from %v, passed to %v, about a margin of 1.1", found, within)
	}
	fails := 0
	const runs = 60
	for i := range runs {
		random := rand.New(rand.NewPCG(uint64(i), 3))
		r := &Record{Margins: DefaultMargins(), Rounds: pairs, MaxRounds: pairs, Workloads: []string{"w"}}
		for round := 1; round <= pairs; round++ {
			for _, arm := range []string{Base, Head, Again} {
				c, l := math.Exp(noise*random.NormFloat64()), 1.0
				if arm == Head {
					c *= found
				}
				r.Samples = append(r.Samples, Sample{Workload: "w", Round: round, Arm: arm, CPUUS: &c, P99MS: &l, Requests: 1000})
			}
		}
		if Decide(r, pairs).Verdict == stats.Fail {
			fails++
		}
	}
	// Four of five is what is promised; the formula is for six metrics and is
	// careful where there are fewer. A void control takes one in twenty.
	if fails < runs*7/10 {
		t.Errorf("a ratio of %.3f was found in %d of %d", found, fails, runs)
	}
}
