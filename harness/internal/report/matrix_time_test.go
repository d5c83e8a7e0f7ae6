package report

import (
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func TestWhatTheTimeOfAComparisonWasFor(t *testing.T) {
	cells := []result.MatrixCell{
		{Arm: "a", Outcome: result.CellMeasured}, {Arm: "b", Outcome: result.CellInvalid}, {Arm: "c", Outcome: result.CellLacks},
	}
	x := &result.Matrix{Rows: []result.MatrixRow{
		{Cells: cells, Seconds: map[string]float64{result.PhaseStart: 1, result.PhaseOpen: 30, result.PhasePause: 0.1}},
		{Cells: cells, Seconds: map[string]float64{result.PhaseStart: 1, result.PhaseOpen: 7.9}},
	}}
	const want = "time: 40 s for 2 policies, 10.0 s per policy and gateway: starts 5%, open loop 95%"
	if got := MatrixTime(x); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := MatrixTime(&result.Matrix{Rows: []result.MatrixRow{{Cells: cells}}}); got != "" {
		t.Errorf("a result without times says %q", got)
	}
}
