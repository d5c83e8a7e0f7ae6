package engine

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
)

// TestCorrectedLatencyFromRawResults makes the corrected latencies again from
// the recorded requests, by the definition alone: the answer's time less the
// time at which request number n should have left, n/rate after the beginning.
func TestCorrectedLatencyFromRawResults(t *testing.T) {
	const rate, warmup = 400.0, 250 * time.Millisecond
	var once sync.Once
	began := time.Now()
	target := server(t, func(w http.ResponseWriter, _ *http.Request) {
		if time.Since(began) > 700*time.Millisecond {
			once.Do(func() { time.Sleep(300 * time.Millisecond) })
		}
		_, _ = w.Write([]byte("ok"))
	})
	// One connection: while it stalls all others wait for it, each as long as is
	// left, and the corrected latencies spread.
	r := do(t, load.Attack{Model: load.Open, Target: target, Rate: rate, Connections: 1, Warmup: warmup,
		Duration: 1500 * time.Millisecond, KeepRaw: true})
	if uint64(len(r.Raw)) != r.Requests {
		t.Fatalf("%d raw results of %d requests", len(r.Raw), r.Requests)
	}
	var again measure.Histogram
	var latencies []float64
	for _, one := range r.Raw {
		due := float64(one.Seq)/rate - warmup.Seconds()
		latency := (one.Sent + one.Service).Seconds() - due
		if one.OK {
			latencies = append(latencies, latency)
			again.Record(time.Duration(latency * 1e9))
		}
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		// To a microsecond, the histogram's own unit: the due time is rounded to a
		// nanosecond there and not here.
		if a, b := r.Corrected.Quantile(q), again.Quantile(q); (a - b).Abs() > time.Microsecond+a/1000 {
			t.Errorf("quantile %v: recorded %v, made again %v", q, a, b)
		}
	}
	// The same from the sorted list, without a histogram. While others wait for the
	// stall, neighbours in the list are a sending interval apart: which of the two
	// around a rank is the quantile is a convention, a third one would be wrong.
	slices.Sort(latencies)
	for _, q := range []float64{0.5, 0.9, 0.99} {
		rank := int(q * float64(len(latencies)))
		low, high := time.Duration(latencies[rank-1]*1e9), time.Duration(latencies[rank]*1e9)
		unit := time.Microsecond + high/1000
		if got := r.Corrected.Quantile(q); got < low-unit || got > high+unit {
			t.Errorf("quantile %v of the sorted list is between %v and %v, the histogram's %v", q, low, high, got)
		}
	}
	if r.Corrected.Quantile(0.99) < 100*time.Millisecond {
		t.Error("the stall is not in the corrected latency: nothing was tested")
	}
}
