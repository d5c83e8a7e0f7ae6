package compare

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// The head is held to the workload's objectives, and the base is not.
func TestTheHeadIsHeldToObjectives(t *testing.T) {
	asked, err := slo.Parse("max<5ms,errors<1%,max{a}<50ms")
	if err != nil {
		t.Fatal(err)
	}
	trial := &trial{arms: []string{gate.Base, gate.Head, gate.Again}, totals: map[string]*armSum{}}
	st := &scenario.Stage{Name: "hit", SLO: asked}
	var slow measure.Histogram
	slow.Record(10 * time.Millisecond)
	res := &load.Result{
		Counts: load.Counts{Requests: 1, Successes: 1}, Corrected: slow, LatencyByRequest: map[string]measure.Histogram{"a": slow},
		ByRequest: map[string]load.Counts{"a": {Requests: 1, Successes: 1}},
	}
	var r result.Result
	for _, arm := range trial.arms {
		sum := trial.totalOf(st, arm)
		sum.add(res, 0, 0)
		sum.latencies(res)
		r.Stages = append(r.Stages, sum.stageOf())
	}
	want := "\n### Objectives of the head\n\n| workload | objective | verdict | observed |\n| --- | --- | --- | --- |\n" +
		"| hit/head | `max<5ms` | missed | 10 ms |\n| hit/head | `errors<1%` | met | 0% |\n| hit/head | `max{a}<50ms` | met | 10 ms |\n"
	if got := objectiveSummary(&r); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if r.Stages[0].SLO != nil || r.Stages[2].SLO != nil {
		t.Error("the base is held to objectives")
	}
	trial.arms = []string{gate.Base, gate.Again}
	if got := trial.judgedArm(); got != gate.Base {
		t.Errorf("against a baseline %s is judged, want the build that is measured", got)
	}
}
