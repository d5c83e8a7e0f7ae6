package assess

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load/loadtest"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// killed is the fault of a replica that is back after 0.42 s.
func killed(began time.Time) fault.Event {
	return fault.Event{
		Kind: "kill", Target: "gateway-1",
		InjectedAt: began.Add(250 * time.Millisecond), RecoverAt: began.Add(420 * time.Millisecond),
	}
}

// figures are those of a fault in a stage. Those of an experiment are tested in package experiment.
func figures(t *testing.T, ok ...bool) result.Fault {
	t.Helper()
	res := loadtest.ProbesAt(ok...)
	a := &Recording{Result: res, Probes: res, Events: []fault.Event{killed(res.Began)}}
	m := &Measurement{Stage: &scenario.Stage{}, Open: []*Recording{a}}
	faults := m.Faults()
	if len(faults) != 1 {
		t.Fatalf("%d faults, want 1", len(faults))
	}
	return faults[0]
}

func TestAFaultThatNoProbeFeltHasNoImpact(t *testing.T) {
	if f := figures(t, true, true, true, true, true, true, true, true); f.ImpactMS != nil {
		t.Errorf("impact of %v ms", *f.ImpactMS)
	}
	if f := figures(t, true, true, true, false, true, true, true, true); f.ImpactMS == nil || *f.ImpactMS != 50 {
		t.Errorf("impact of %v, want 50 ms", f.ImpactMS)
	}
}

// One answer between failures is no recovery.
func TestRecoveryIsSeveralAnswersInARow(t *testing.T) {
	f := figures(t, true, true, true, false, false, true, false, false, true, true, true)
	if f.TimeToRecoverMS == nil || *f.TimeToRecoverMS != 380 {
		t.Errorf("recovered after %v, want 380 ms", f.TimeToRecoverMS)
	}
	f = figures(t, true, true, true, false, false, true, false, true, true, false)
	if f.TimeToRecoverMS != nil {
		t.Errorf("recovered after %v ms, and failed again", *f.TimeToRecoverMS)
	}
}
