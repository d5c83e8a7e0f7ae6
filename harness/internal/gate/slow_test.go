package gate

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// withSlow gives every sample counts of long requests: stalls of the host hit each arm in
// one turn of four, and head delays a share of its requests beyond all but the last times.
func withSlow(r *Record, share float64) *Record {
	random := rand.New(rand.NewPCG(7, 7))
	for i := range r.Samples {
		s := &r.Samples[i]
		n := uint64(0)
		if random.IntN(4) == 0 {
			n = uint64(random.IntN(8))
		}
		if s.Arm == Head {
			n += uint64(share*float64(s.Requests)*(0.5+random.Float64()) + 0.5)
		}
		s.Slower = Slower(func(d time.Duration) uint64 {
			if d < 30*time.Millisecond {
				return n
			}
			return 0
		})
		s.Excluded = []string{"send lag"} // no p99
	}
	return r
}

func TestOneSlowRequestIn200IsFoundWithoutP99(t *testing.T) {
	d := Decide(withSlow(record(20, 1, 1, 0.03), 0.005), 20)
	if d.Verdict != stats.Fail || !strings.Contains(d.Reason, "hit slow_share") || !strings.Contains(d.Reason, "proxy slow_share") {
		t.Errorf("one request in 200 delayed: %s, %s", d.Verdict, d.Reason)
	}
	d = Decide(withSlow(record(20, 1, 1, 0.03), 0), 20)
	if d.Verdict != stats.Pass {
		t.Errorf("stalls of the host alone: %s, %s", d.Verdict, d.Reason)
	}
	for _, e := range d.Metrics {
		if e.Name == "hit slow_share" && (e.Margin != 0.002 || e.Ratio < -0.002 || e.Ratio > 0.002 || e.Pairs != 20) {
			t.Errorf("a difference of shares: %+v", e)
		}
	}
}

func TestWhatCountsAsSlow(t *testing.T) {
	r := record(6, 1, 1, 0.01)
	rounds := []int{1, 2, 3, 4, 5, 6}
	for _, row := range []struct{ p90, want float64 }{{0.2, 10}, {2.5, 10}, {2.6, 20}, {100, 500}, {60_000, 5000}} {
		for i := range r.Samples {
			r.Samples[i].P90MS = new(row.p90)
		}
		if got := slowTimes[r.slowThreshold("hit", rounds)]; got != row.want {
			t.Errorf("p90 %v ms: slow beyond %v ms, want %v", row.p90, got, row.want)
		}
	}
}

// The pairs of a record in which chance made head 3% slower say little about gates of
// equal builds in general: draws exchange the arms.
func TestReplayOfEqualBuildsExchangesArms(t *testing.T) {
	r := record(20, 1.03, 1, 0.02)
	equal, err := Replay([]*Record{r}, Draws{Arm: Head, Ratio: 1, Equal: true, Times: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	as, err := Replay([]*Record{r}, Draws{Arm: Head, Ratio: 1, Times: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if equal.Pass < 0.7 || as.Pass > 0.2 || equal.Fail > 0.01 {
		t.Errorf("exchanged: %+v; as recorded: %+v", equal, as)
	}
	worse, err := Replay([]*Record{r}, Draws{Arm: Head, Ratio: 1.1, Equal: true, CPUOnly: true, Times: 200, Seed: 1})
	if err != nil || worse.Fail < 0.95 {
		t.Errorf("10%% more CPU: %+v, %v", worse, err)
	}
	if _, err := Replay([]*Record{r}, Draws{Arm: Again, Ratio: 1, Equal: true, Times: 1}); err == nil {
		t.Error("equal builds with the base's second replica as the arm were not refused")
	}
}

func TestTheLeastLatencyThatCounts(t *testing.T) {
	r := record(20, 1, 1, 0.01)
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Arm == Head {
			*s.P50MS += 0.015 // of 0.1 ms
		}
	}
	if d := Decide(r, 20); d.Verdict != stats.Pass {
		t.Errorf("15 us more than 100 us: %s, %s", d.Verdict, d.Reason)
	}
	r.Margins.Latency = 0
	if d := Decide(r, 20); d.Verdict != stats.Fail {
		t.Errorf("without a least latency: %s, %s", d.Verdict, d.Reason)
	}
}
