package assess

import (
	"testing"
	"time"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/result"
	"gatelab/harness/internal/scenario"
)

// killed is the fault of a replica that is back after 0.42 s.
func killed(began time.Time) fault.Event {
	return fault.Event{
		Kind: "kill", Target: "gateway-1",
		InjectedAt: began.Add(250 * time.Millisecond), RecoverAt: began.Add(420 * time.Millisecond),
	}
}

// probesAt are probes every 100 ms of which some are good.
func probesAt(ok ...bool) *load.Result {
	began := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	res := &load.Result{Began: began, Ended: began.Add(time.Duration(len(ok)) * 100 * time.Millisecond)}
	for i, good := range ok {
		p := load.Probe{Offset: time.Duration(i) * 100 * time.Millisecond, OK: good, Node: "gateway-1", Status: 200,
			Latency: 5 * time.Millisecond}
		if !good {
			p.Err = "status_502"
			p.Status = 502
			p.Node = ""
		}
		res.Probes = append(res.Probes, p)
	}
	return res
}

// figures are those of a fault in a stage. Those of an experiment are tested in package experiment.
func figures(t *testing.T, ok ...bool) result.Fault {
	t.Helper()
	res := probesAt(ok...)
	a := &Recording{Result: res, Probes: res, Events: []fault.Event{killed(res.Began)}}
	m := &Measurement{Stage: &scenario.Stage{}, Open: []*Recording{a}}
	faults := m.Faults()
	if len(faults) != 1 {
		t.Fatalf("%d faults, want 1", len(faults))
	}
	return faults[0]
}

func TestNobodyKnowsWhenAFaultThatHurtNobodyWasDetected(t *testing.T) {
	if f := figures(t, true, true, true, true, true, true, true, true); f.ImpactMS != nil {
		t.Errorf("detected after %v ms", *f.ImpactMS)
	}
	if f := figures(t, true, true, true, false, true, true, true, true); f.ImpactMS == nil || *f.ImpactMS != 50 {
		t.Errorf("detected after %v, want 50 ms", f.ImpactMS)
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
