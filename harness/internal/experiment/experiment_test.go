package experiment

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/load/loadtest"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/report"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// TestScenariosKnowEveryFault: scenario imports nothing of ours, so it names
// the kinds itself.
func TestScenariosKnowEveryFault(t *testing.T) {
	if a, b := scenario.FaultKinds(), fault.Kinds(); !slices.Equal(a, b) {
		t.Errorf("scenario %v\nfault    %v", a, b)
	}
}

func TestAClientWithTwoBalancersFailsOnlyWhereBothDo(t *testing.T) {
	x := &experiment{entries: []*entry{
		{name: "lb", method: http.MethodGet, result: loadtest.ProbesAt(true, false, false, true)},
		{name: "lb-2", method: http.MethodGet, result: loadtest.ProbesAt(true, true, false, false)},
		{name: "gateway-1", method: http.MethodGet, direct: true, result: loadtest.ProbesAt(false, false, false, false)},
	}}
	if got := x.failedEverywhere(http.MethodGet); got != 1 {
		t.Errorf("%d failed, want 1", got)
	}
	x.entries = x.entries[:1]
	if got := x.failedEverywhere(http.MethodGet); got != 2 {
		t.Errorf("%d failed at one balancer, want 2", got)
	}
	if got := x.failedEverywhere(http.MethodPost); got != 0 {
		t.Errorf("%d failed without probes", got)
	}
}

func TestEntryFigures(t *testing.T) {
	e := entry{name: "lb", method: http.MethodGet, rate: 10, result: loadtest.ProbesAt(true, false, true, false, true)}
	got := e.figures()
	if got.Probes != 5 || got.Failed != 2 || got.Failures["status_502 by lb"] != 2 || got.OutageMS != 200 || got.ResolutionMS != 100 {
		t.Errorf("%+v", got)
	}
}

// TestAFaultIsChargedWithItsOwnTime: from its injection until a while after its
// end, or until the next one begins.
func TestAFaultIsChargedWithItsOwnTime(t *testing.T) {
	began := loadtest.ProbesAt().Began
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	x := &experiment{events: []fault.Event{
		{InjectedAt: at(10), RecoveredAt: at(14)},
		{InjectedAt: at(17), RecoveredAt: at(20)},
		{InjectedAt: at(18), RecoverAt: at(30)},
	}}
	for i, want := range []time.Time{at(17), at(25), at(35)} {
		if got := x.until(i); !got.Equal(want) {
			t.Errorf("fault %d until %s, want %s", i, got, want)
		}
	}
}

func TestAFaultsFigures(t *testing.T) {
	res := loadtest.ProbesAt(true, true, true, false, false, true, true, true, true, true, false)
	x := &experiment{stage: &scenario.Stage{Name: "s"}, entries: []*entry{{name: "lb", method: http.MethodGet, result: res}}}
	series := []load.Second{{Offset: 0, Counts: load.Counts{Failed: 7}}, {Offset: 1, Counts: load.Counts{Failed: 5}}}
	a := &assess.Recording{Result: &load.Result{Began: res.Began, Series: series}}
	e := fault.Event{Kind: "kill", Target: "gateway-1", InjectedAt: res.Began.Add(250 * time.Millisecond),
		EffectObservedAt: res.Began.Add(260 * time.Millisecond), RecoverAt: res.Began.Add(420 * time.Millisecond),
		RecoveredAt: res.Began.Add(450 * time.Millisecond)}
	f := x.faultFigures(a, e, res.Began.Add(900*time.Millisecond))
	if f.Paid["GET status_502 by lb"] != 2 || len(f.Paid) != 1 {
		t.Errorf("paid %v", f.Paid)
	}
	if *f.Probes != 6 || *f.Failed != 2 || *f.OutageMS != 100 || *f.ImpactMS != 150 || *f.TimeToRecoverMS != 80 ||
		*f.RequestsFailed != 7 {
		t.Errorf("probes %d failed %d outage %v detect %v recover %v requests %d", *f.Probes, *f.Failed, *f.OutageMS,
			*f.ImpactMS, *f.TimeToRecoverMS, *f.RequestsFailed)
	}
}

func TestWritesAreCountedOnce(t *testing.T) {
	w := &writer{visible: []time.Duration{3 * time.Second, time.Second, 2 * time.Second}, sent: []*write{
		{acked: true, known: true}, {acked: true, known: true, lost: true, at: loadtest.ProbesAt().Began}, {known: true}, {}, {acked: true,
			known: true, half: true},
	}}
	got := w.figures()
	want := result.Writes{Sent: 5, Acknowledged: 3, Lost: 1, Half: 1, Unknown: 1, Followed: 3, VisibleP50MS: new(2000.0),
		VisibleMaxMS: new(3000.0)}
	if *got.VisibleP50MS != *want.VisibleP50MS || *got.VisibleMaxMS != *want.VisibleMaxMS {
		t.Errorf("visible after %v and %v", *got.VisibleP50MS, *got.VisibleMaxMS)
	}
	got.VisibleP50MS = nil
	got.VisibleMaxMS = nil
	want.VisibleP50MS = nil
	want.VisibleMaxMS = nil
	if *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
	if w.lostIn(loadtest.ProbesAt().Began, loadtest.ProbesAt().Began.Add(time.Second)) != 1 ||
		w.lostIn(loadtest.ProbesAt().Began.Add(time.Second), loadtest.ProbesAt().Began.Add(time.Hour)) != 0 {
		t.Error("a lost write is charged to the wrong fault")
	}
}

func TestWholeIsEveryField(t *testing.T) {
	_, sent := entityOf(4)
	got := map[string]any{"id": "x", "retries": 5.0}
	for k, v := range sent {
		got[k] = v
	}
	if !whole(sent, got) {
		t.Error("a whole entity is taken for half of one")
	}
	got["port"] = 80.0
	if whole(sent, got) {
		t.Error("another port is not seen")
	}
	delete(got, "port")
	if whole(sent, got) {
		t.Error("a missing field is not seen")
	}
}

func TestExpectations(t *testing.T) {
	zero, one := 0, 1
	for _, c := range []struct {
		name   string
		expect scenario.Expect
		ok     []bool
		passed bool
	}{
		{
			name:   "none may fail and none did",
			expect: scenario.Expect{IdempotentFailedMax: &zero, FailedMax: &zero}, ok: []bool{true, true}, passed: true,
		},
		{name: "none may fail and one did", expect: scenario.Expect{IdempotentFailedMax: &zero}, ok: []bool{true, false}},
		{
			name:   "one must fail and none did: the harness is blind",
			expect: scenario.Expect{IdempotentFailedMin: &one}, ok: []bool{true, true},
		},
		{name: "one must fail and one did", expect: scenario.Expect{FailedMin: &one}, ok: []bool{true, false}, passed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &experiment{session: &session.Session{Result: &result.Result{}}, stage: &scenario.Stage{Expect: c.expect},
				entries: []*entry{{name: "lb", method: http.MethodGet, result: loadtest.ProbesAt(c.ok...)}}}
			out := &result.Experiment{Passed: true}
			x.judge(out, &assess.Recording{Result: &load.Result{}})
			if out.Passed != c.passed {
				t.Errorf("%+v", out)
			}
		})
	}
}

// killed is the fault of a replica that is back after 0.42 s.
func killed(began time.Time) fault.Event {
	return fault.Event{
		Kind: "kill", Target: "gateway-1",
		InjectedAt: began.Add(250 * time.Millisecond), RecoverAt: began.Add(420 * time.Millisecond),
	}
}

// figures are those of a fault in an experiment. Those of a stage are tested in package assess.
func figures(ok ...bool) result.Fault {
	res := loadtest.ProbesAt(ok...)
	x := &experiment{stage: &scenario.Stage{}, entries: []*entry{{name: "lb", method: http.MethodGet, result: res}}}
	return x.faultFigures(&assess.Recording{Result: res, Probes: res}, killed(res.Began), res.Ended)
}

func TestAFaultThatNoProbeFeltHasNoImpact(t *testing.T) {
	if f := figures(true, true, true, true, true, true, true, true); f.ImpactMS != nil {
		t.Errorf("detected after %v ms", *f.ImpactMS)
	}
	if f := figures(true, true, true, false, true, true, true, true); f.ImpactMS == nil || *f.ImpactMS != 50 {
		t.Errorf("detected after %v, want 50 ms", f.ImpactMS)
	}
}

// One answer between failures is no recovery.
func TestRecoveryIsSeveralAnswersInARow(t *testing.T) {
	f := figures(true, true, true, false, false, true, false, false, true, true, true)
	if f.TimeToRecoverMS == nil || *f.TimeToRecoverMS != 380 {
		t.Errorf("recovered after %v, want 380 ms", f.TimeToRecoverMS)
	}
	f = figures(true, true, true, false, false, true, false, true, true, false)
	if f.TimeToRecoverMS != nil {
		t.Errorf("recovered after %v ms, and failed again", *f.TimeToRecoverMS)
	}
}

// It is the judging that lets an experiment pass, not that it was begun.
func TestAnExperimentPassesOnlyWhenJudged(t *testing.T) {
	x := &experiment{session: &session.Session{Result: &result.Result{}}, stage: &scenario.Stage{}}
	out := &result.Experiment{}
	x.judge(out, &assess.Recording{Result: &load.Result{}})
	if !out.Passed {
		t.Errorf("nothing was missed: %+v", out)
	}
	r := &result.Result{Experiment: &result.Experiment{}, Stages: []result.Stage{{Name: "multi", Valid: true}}}
	var b strings.Builder
	if err := report.Table(&b, r, report.TableOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "Not judged: the experiment did not finish") {
		t.Errorf("an experiment that was not judged is told as:\n%s", b.String())
	}
}

// What is known without the writes is kept if they cannot be looked for, and so is the reason why a fault failed.
func TestAnExperimentThatBreaksOffKeepsWhatIsKnown(t *testing.T) {
	x := &experiment{
		session: &session.Session{Result: &result.Result{}}, stage: &scenario.Stage{Name: "multi"},
		capacity: new(1200.0), errs: []error{errors.New("kill gateway-2: no effect was observed")},
	}
	x.begin(&assess.Recording{Readings: []readings.Reading{held(100, 50, 1000)}})
	r := x.session.Result
	if e := r.Experiment; e == nil || e.Passed || *e.CapacityQPS != 1200 || len(e.Drift) != 1 {
		t.Errorf("experiment %+v", e)
	}
	if !slices.Equal(r.InvalidReasons, []string{"multi: fault: kill gateway-2: no effect was observed"}) {
		t.Errorf("reasons %q", r.InvalidReasons)
	}
}
