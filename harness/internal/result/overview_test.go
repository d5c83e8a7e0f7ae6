package result_test

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

func TestAnOverviewOfOtherThings(t *testing.T) {
	if _, err := result.NewOverview("x", nil); err == nil {
		t.Error("none was taken")
	}
	if _, err := result.NewOverview("x", []*result.Result{resulttest.Ladder()}); err == nil ||
		!strings.Contains(err.Error(), resulttest.Ladder().RunID) {
		t.Errorf("a ladder was taken: %v", err)
	}
}

// A client that knows two balancers pays only where both fail it.
func TestTheBetterBalancerCounts(t *testing.T) {
	x := result.Experiment{Entries: []result.Entry{
		{Name: "lb", Method: "GET", Availability: result.Availability{Probes: 10, Failed: 4}},
		{Name: "lb-2", Method: "GET", Availability: result.Availability{Probes: 10, Failed: 1}},
		{Name: "gateway-1", Method: "GET", Information: true, Availability: result.Availability{Probes: 10}},
	}}
	if got := x.Best("GET"); got == nil || got.Failed != 1 {
		t.Errorf("%+v", got)
	}
	if got := x.Best("POST"); got != nil {
		t.Errorf("%+v of no probe", got)
	}
}
