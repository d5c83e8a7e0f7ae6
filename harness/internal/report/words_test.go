package report

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

func TestLadderRatios(t *testing.T) {
	stage := func(name string, qps float64, replicas int, valid bool) result.Stage {
		return result.Stage{Name: name, QPS: p(qps), Replicas: replicas, Valid: valid}
	}
	t.Run("against the first and the one before", func(t *testing.T) {
		r := result.Result{Stages: []result.Stage{stage("a", 100, 1, true), stage("b", 200, 1, true), stage("c", 600, 1, true)}}
		if l := r.Ladder(); *l[2].VsFirst != 6 || *l[2].VsPrevious != 3 || l[0].VsFirst != nil {
			t.Errorf("got %v %v", *l[2].VsFirst, *l[2].VsPrevious)
		}
	})
	t.Run("never to or from a stage that is not valid", func(t *testing.T) {
		r := result.Result{Stages: []result.Stage{stage("a", 100, 1, true), stage("b", 200, 1, false), stage("c", 600, 1, true)}}
		if l := r.Ladder(); l[1].VsFirst != nil || l[1].VsPrevious != nil || l[2].VsPrevious != nil || *l[2].VsFirst != 6 {
			t.Errorf("got %+v", l)
		}
	})
	t.Run("replicas that bought availability alone", func(t *testing.T) {
		before := stage("limits", 9000, 1, true)
		before.Bottleneck = &measure.Bottleneck{Component: "machine"}
		r := result.Result{Stages: []result.Stage{before, stage("multi", 9090, 3, true)}}
		want := "3 replicas instead of 1: 1.0x the capacity: the replica was not the bottleneck (machine limited limits);" +
			" the additional replicas improve only availability"
		if got := replicaNote(r.Ladder()[1]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("replicas that bought capacity", func(t *testing.T) {
		before := stage("limits", 5000, 1, true)
		before.Bottleneck = &measure.Bottleneck{Component: "gateway"}
		r := result.Result{Stages: []result.Stage{before, stage("multi", 12500, 3, true)}}
		want := "3 replicas instead of 1: 2.5x the capacity (gateway limited limits)," +
			" and the loss of one replica no longer interrupts the service"
		if got := replicaNote(r.Ladder()[1]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestTicks(t *testing.T) {
	tests := []struct {
		name string
		got  []float64
		want []float64
	}{
		{name: "round steps that reach the top", got: niceTicks(12581, 5), want: []float64{0, 5000, 10000, 15000}},
		{name: "a top that is round is not passed", got: niceTicks(20, 4), want: []float64{0, 5, 10, 15, 20}},
		{name: "nothing", got: niceTicks(0, 4), want: []float64{0, 1}},
		{name: "powers of ten around the figures", got: logTicks(0.4, 140), want: []float64{0.1, 1, 10, 100, 1000}},
		{name: "one figure", got: logTicks(10, 10), want: []float64{10, 100}},
		{name: "a tick above the figures only where they are", got: logTicks(1, 1e30)[:3], want: []float64{1, 10, 100}},
		{name: "nothing to scale", got: logTicks(0, 0), want: []float64{1, 10}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if len(test.got) != len(test.want) {
				t.Fatalf("got %v, want %v", test.got, test.want)
			}
			for i := range test.got {
				if d := test.got[i] - test.want[i]; d > 1e-9 || d < -1e-9 {
					t.Errorf("got %v, want %v", test.got, test.want)
				}
			}
		})
	}
}

func TestBenchLinesAreOnesThatBenchstatReads(t *testing.T) {
	r := resulttest.Ladder()
	r.Settle()
	lines := 0
	for _, l := range strings.Split(rendered(t, result.FileBench, r), "\n") {
		f := strings.Fields(l)
		if !strings.HasPrefix(l, "Benchmark") {
			continue
		}
		lines++
		if len(f) < 4 || len(f)%2 != 0 {
			t.Errorf("%q is not a name, a count and pairs of value and unit", l)
		}
	}
	if lines != 4 { // one round, two rounds, one round
		t.Errorf("%d lines, want one for each stage and round: 4", lines)
	}
}
