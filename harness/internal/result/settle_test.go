package result_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

func p[T any](v T) *T { return &v }

func TestAnEmptyRunIsNotValid(t *testing.T) {
	r := &result.Result{Scenario: "empty", Valid: true}
	r.Settle()
	if r.Valid || len(r.InvalidReasons) != 1 {
		t.Errorf("valid %v, reasons %q; want a reason", r.Valid, r.InvalidReasons)
	}
}

func TestSettle(t *testing.T) {
	t.Run("an invalid check makes its stage and the run invalid, once", func(t *testing.T) {
		r := &result.Result{
			Stages: []result.Stage{
				{
					Name:   "pool",
					Valid:  true,
					Checks: []measure.Check{{Name: "rate kept", Attack: result.Open, Saw: "97%", Limit: "at least 99%", Verdict: measure.Invalid}},
				},
			},
		}
		r.Settle()
		r.Settle()
		want := []string{"pool: rate kept (open): 97%, want at least 99%"}
		if r.Valid || r.Stages[0].Valid || !reflect.DeepEqual(r.InvalidReasons, want) {
			t.Errorf("got %v %v %q, want %q", r.Valid, r.Stages[0].Valid, r.InvalidReasons, want)
		}
	})
	t.Run("a stage that is not valid has a reason", func(t *testing.T) {
		r := &result.Result{Stages: []result.Stage{{Name: "pool"}}}
		r.Settle()
		if len(r.Stages[0].InvalidReasons) != 1 {
			t.Errorf("reasons %q", r.Stages[0].InvalidReasons)
		}
	})
	t.Run("what is no number was not measured", func(t *testing.T) {
		r := &result.Result{Stages: []result.Stage{{
			Name: "a", Valid: true, ErrorRate: p(math.NaN()), QPS: p(math.Inf(1)), Cache: &result.Cache{HitRatio: p(math.NaN())},
			CPUPerRequestUS: map[string]float64{"lb": math.Inf(1), "gateway": 50},
		}}}
		r.Settle()
		s := r.Stages[0]
		if s.ErrorRate != nil || s.QPS != nil || s.Cache.HitRatio != nil || len(s.CPUPerRequestUS) != 1 {
			t.Errorf("got %+v", s)
		}
		text(t, r) // must not fail
	})
	t.Run("a closed loop's latency is never a user's", func(t *testing.T) {
		r := &result.Result{
			Stages: []result.Stage{
				{
					Name:      "a",
					Valid:     true,
					Load:      result.Load{Model: result.Closed},
					LatencyMS: &result.Latency{P50: p(1.0)},
					Attacks:   []result.Attack{{Model: result.Closed, LatencyMS: &result.Latency{P50: p(1.0)}}},
				},
			},
		}
		r.Settle()
		if r.Stages[0].LatencyMS != nil || r.Stages[0].Attacks[0].LatencyMS != nil {
			t.Error("the closed loop's latency is still there")
		}
	})
}

func TestAbsentIsAbsent(t *testing.T) {
	r := &result.Result{Scenario: "bare", Stages: []result.Stage{{Name: "a", Valid: true}}}
	r.Settle()
	got := string(text(t, r))
	for _, never := range []string{"qps", "latency_ms", "error_rate", "cache", "limits", "postgres", "bottleneck", "availability", "ceiling",
		"faults", "comparison", "null"} {
		if strings.Contains(got, never) {
			t.Errorf("result.json holds %q though nothing was measured:\n%s", never, got)
		}
	}
}
