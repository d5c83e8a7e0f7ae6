package runner

import (
	"net/http"
	"testing"
	"time"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// killed is the fault of a replica that is back after 0.42 s.
func killed(began time.Time) fault.Event {
	return fault.Event{Kind: "kill", Target: "gateway-1", InjectedAt: began.Add(250 * time.Millisecond), RecoverAt: began.Add(420 * time.Millisecond)}
}

// both are the figures of a fault in a stage and in an experiment.
func both(ok ...bool) map[string]report.Fault {
	res := probesAt(ok...)
	e := killed(res.Began)
	a := &attacked{result: res, probes: res}
	stage := report.Fault{Target: e.Target}
	(&run{}).outage(&stage, a, e.InjectedAt, e.RecoverAt)
	x := &experiment{stage: &scenario.Stage{}, entries: []*entry{{name: "lb", method: http.MethodGet, result: res}}}
	return map[string]report.Fault{"stage": stage, "experiment": x.faultFigures(a, e, res.Ended)}
}

func TestNobodyKnowsWhenAFaultThatHurtNobodyWasDetected(t *testing.T) {
	for where, f := range both(true, true, true, true, true, true, true, true) {
		if f.TimeToDetectMS != nil {
			t.Errorf("%s: detected after %v ms", where, *f.TimeToDetectMS)
		}
	}
	for where, f := range both(true, true, true, false, true, true, true, true) {
		if f.TimeToDetectMS == nil || *f.TimeToDetectMS != 50 {
			t.Errorf("%s: detected after %v, want 50 ms", where, f.TimeToDetectMS)
		}
	}
}

// One answer between failures is no recovery.
func TestRecoveryIsSeveralAnswersInARow(t *testing.T) {
	for where, f := range both(true, true, true, false, false, true, false, false, true, true, true) {
		if f.TimeToRecoverMS == nil || *f.TimeToRecoverMS != 380 {
			t.Errorf("%s: recovered after %v, want 380 ms", where, f.TimeToRecoverMS)
		}
	}
	for where, f := range both(true, true, true, false, false, true, false, true, true, false) {
		if f.TimeToRecoverMS != nil {
			t.Errorf("%s: recovered after %v ms, and failed again", where, *f.TimeToRecoverMS)
		}
	}
}
