package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// attackWith is an attack of two minutes with so many marks.
func attackWith(marks int) (*result.Stage, *result.Attack) {
	a := &result.Attack{Model: result.Open, Round: 1}
	for s := range 120 {
		a.Series = append(a.Series, result.Second{Offset: s, Requests: 10, Successes: 10})
	}
	for i := range marks {
		a.Marks = append(a.Marks, result.Mark{OffsetS: 4 + 4*float64(i), Label: fmt.Sprintf("gateway-%d kill", i%3+1)})
	}
	return &result.Stage{Name: "kill-gateway"}, a
}

// An experiment has dozens of faults: their names, one below the other, made the plot as high again, and lines went through them.
func TestTheNamesOfManyFaultsAreLeftToTheTimeline(t *testing.T) {
	stage, a := attackWith(24)
	plot := timePlot(stage, a, nil)
	if n := strings.Count(plot, `class="warn"`); n != 1 || !strings.Contains(plot, "24 faults and recoveries: see the timeline") {
		t.Errorf("%d names:\n%.2000s", n, plot)
	}
	if n := strings.Count(plot, `class="mark"`); n != 24 {
		t.Errorf("%d lines, want 24", n)
	}
}

func TestNoLineGoesThroughTheNameOfAFault(t *testing.T) {
	stage, a := attackWith(4)
	plot := timePlot(stage, a, nil)
	if first, last := strings.Index(plot, `class="warn"`), strings.LastIndex(plot, `class="mark"`); first < last || last < 0 {
		t.Errorf("a line at %d is drawn over a name at %d", last, first)
	}
}

func TestAChangeThatEndsWithAFullStopHasOne(t *testing.T) {
	if got := changes([]string{"a cache", "a pool."}) + "."; got != "a cache, a pool." {
		t.Errorf("%q", got)
	}
}
