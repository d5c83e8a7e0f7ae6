package contest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// runs are rounds of an arm that needs that much CPU per request, in microseconds.
func runs(cpu ...float64) []round {
	var out []round
	for i, us := range cpu {
		began := time.Unix(int64(i*10), 0)
		res := &load.Result{Attack: load.Attack{Model: load.Open, Rate: 100}, Began: began, Ended: began.Add(time.Second), Sent: 100}
		res.Requests, res.Successes = 100, 100
		for range 100 {
			res.Corrected.Record(time.Millisecond)
		}
		out = append(out, round{Turns: session.Turns{Results: []*load.Result{res}, CPUSeconds: us * 100 / 1e6}})
	}
	return out
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	reference := &arm{Arm: sut.Arm{System: &sut.System{Name: "a"}}, cell: &result.MatrixCell{Arm: "a"}, runs: runs(10, 20, 40, 80, 160, 320)}
	other := &arm{Arm: sut.Arm{System: &sut.System{Name: "b"}}, cell: &result.MatrixCell{Arm: "b"}, runs: runs(15, 30, 60, 120, 240, 480)}
	c := &contest{matrix: &result.Matrix{Reference: "a"}}
	c.conclude([]*arm{reference, other})
	var cpu *result.MatrixRatio
	for i := range other.cell.Ratios {
		if other.cell.Ratios[i].Name == "cpu" {
			cpu = &other.cell.Ratios[i]
		}
	}
	// The host was 32 times slower in the last round than in the first, for both.
	if cpu == nil || cpu.Low == nil || cpu.Ratio < 1.499 || cpu.Ratio > 1.501 || *cpu.Low < 1.499 || *cpu.High > 1.501 {
		t.Fatalf("ratio %+v, want 1.5 exactly", cpu)
	}
	if len(reference.cell.Ratios) != 0 {
		t.Errorf("the reference has ratios to itself: %+v", reference.cell.Ratios)
	}
}

func TestFewRoundsHaveNoInterval(t *testing.T) {
	a, b := &arm{runs: runs(10, 10)}, &arm{runs: runs(20, 20)}
	r, ok := ratio(metrics()[0], a, b)
	if !ok || r.Ratio < 1.99 || r.Ratio > 2.01 || r.Low != nil || r.High != nil {
		t.Errorf("ratio %+v, %v: want 2 without an interval", r, ok)
	}
}

func TestNoRatiosWithoutTheReference(t *testing.T) {
	b := &arm{Arm: sut.Arm{System: &sut.System{Name: "b"}}, cell: &result.MatrixCell{Arm: "b"}, runs: runs(10, 10)}
	d := &arm{Arm: sut.Arm{System: &sut.System{Name: "d"}}, cell: &result.MatrixCell{Arm: "d"}, runs: runs(10, 10)}
	c := &contest{matrix: &result.Matrix{Reference: "a"}}
	c.conclude([]*arm{b, d})
	if len(d.cell.Ratios) != 0 {
		t.Errorf("ratios to another arm than the reference: %+v", d.cell.Ratios)
	}
}

func TestAnArmWithoutAnyFigureMakesTheRunInvalid(t *testing.T) {
	m := &result.Matrix{
		Arms: []result.MatrixArm{{Name: "a"}, {Name: "b"}},
		Rows: []result.MatrixRow{
			{Policy: "x", Cells: []result.MatrixCell{
				{Outcome: result.CellMeasured}, {Outcome: result.CellExcluded, Reasons: []string{"status 500"}},
			}},
			{Policy: "y", Cells: []result.MatrixCell{{Outcome: result.CellLacks}, {Outcome: result.CellFailed, Reasons: []string{"it ended"}}}},
		},
	}
	if got := withoutFigures(m); len(got) != 1 || got[0] != "b has no figure: failed under y: it ended" {
		t.Errorf("reasons %q", got)
	}
	m.Rows[1].Cells[1].Outcome = result.CellMeasured
	if got := withoutFigures(m); len(got) != 0 {
		t.Errorf("reasons %q although each arm has a figure", got)
	}
}

func TestALostArmCostsTheOthersNothing(t *testing.T) {
	a := &arm{Arm: sut.Arm{System: &sut.System{Name: "a"}}, cell: &result.MatrixCell{Arm: "a"}, runs: runs(10, 10)}
	b := &arm{Arm: sut.Arm{System: &sut.System{Name: "b"}}, cell: &result.MatrixCell{Arm: "b"}, lost: errors.New("it ended")}
	d := &arm{Arm: sut.Arm{System: &sut.System{Name: "d"}}, cell: &result.MatrixCell{Arm: "d"}, runs: runs(20, 20)}
	c := &contest{matrix: &result.Matrix{Reference: "a"}}
	c.conclude([]*arm{a, b, d})
	if b.cell.Outcome != result.CellFailed || !slices.Contains(b.cell.Reasons, "it ended") || len(b.cell.Ratios) != 0 {
		t.Errorf("the lost arm's cell: %+v", b.cell)
	}
	if d.cell.Outcome != result.CellMeasured || len(d.cell.Ratios) == 0 {
		t.Errorf("the other arm's cell: %+v", d.cell)
	}
}

func TestWrongAnswersMakeACellInvalid(t *testing.T) {
	a := &arm{Arm: sut.Arm{System: &sut.System{Name: "a"}}, cell: &result.MatrixCell{Arm: "a"}, runs: runs(10, 10)}
	a.runs[1].Results[0].Errors = map[string]uint64{load.KindMismatch: 1}
	a.runs[1].Results[0].Failed, a.runs[1].Results[0].Successes = 1, 99
	c := &contest{matrix: &result.Matrix{Reference: "a"}}
	c.conclude([]*arm{a})
	if a.cell.Outcome != result.CellInvalid || len(a.cell.Reasons) == 0 {
		t.Errorf("cell %+v: want invalid with a reason", a.cell)
	}
}
