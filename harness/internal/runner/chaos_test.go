package runner

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// TestScenariosKnowEveryFault: scenario imports nothing of ours, so it names
// the kinds itself.
func TestScenariosKnowEveryFault(t *testing.T) {
	if a, b := scenario.FaultKinds(), fault.Kinds(); !slices.Equal(a, b) {
		t.Errorf("scenario %v\nfault    %v", a, b)
	}
}

func probesAt(ok ...bool) *load.Result {
	began := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	res := &load.Result{Began: began, Ended: began.Add(time.Duration(len(ok)) * 100 * time.Millisecond)}
	for i, good := range ok {
		p := load.Probe{Offset: time.Duration(i) * 100 * time.Millisecond, OK: good, Node: "gateway-1", Status: 200, Latency: 5 * time.Millisecond}
		if !good {
			p.Err, p.Status, p.Node = "status_502", 502, ""
		}
		res.Probes = append(res.Probes, p)
	}
	return res
}

func TestAClientWithTwoBalancersFailsOnlyWhereBothDo(t *testing.T) {
	x := &experiment{entries: []*entry{
		{name: "lb", method: http.MethodGet, result: probesAt(true, false, false, true)},
		{name: "lb-2", method: http.MethodGet, result: probesAt(true, true, false, false)},
		{name: "gateway-1", method: http.MethodGet, direct: true, result: probesAt(false, false, false, false)},
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
	e := entry{name: "lb", method: http.MethodGet, rate: 10, result: probesAt(true, false, true, false, true)}
	got := e.figures()
	if got.Probes != 5 || got.Failed != 2 || got.Failures["status_502 by lb"] != 2 || got.OutageMS != 200 || got.ResolutionMS != 100 {
		t.Errorf("%+v", got)
	}
}

// TestAFaultIsChargedWithItsOwnTime: from its injection until a while after its
// end, or until the next one begins.
func TestAFaultIsChargedWithItsOwnTime(t *testing.T) {
	began := probesAt().Began
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
	res := probesAt(true, true, true, false, false, true, true, true, true, true, false)
	x := &experiment{stage: &scenario.Stage{Name: "s"}, entries: []*entry{{name: "lb", method: http.MethodGet, result: res}}}
	a := &attacked{result: &load.Result{Began: res.Began, Series: []load.Second{{Offset: 0, Counts: load.Counts{Failed: 7}}, {Offset: 1, Counts: load.Counts{Failed: 5}}}}}
	e := fault.Event{Kind: "kill", Target: "gateway-1", InjectedAt: res.Began.Add(250 * time.Millisecond),
		EffectObservedAt: res.Began.Add(260 * time.Millisecond), RecoverAt: res.Began.Add(420 * time.Millisecond), RecoveredAt: res.Began.Add(450 * time.Millisecond)}
	f := x.faultFigures(a, e, res.Began.Add(900*time.Millisecond))
	if f.Paid["GET status_502 by lb"] != 2 || len(f.Paid) != 1 {
		t.Errorf("paid %v", f.Paid)
	}
	if *f.Probes != 6 || *f.Failed != 2 || *f.OutageMS != 100 || *f.TimeToDetectMS != 150 || *f.TimeToRecoverMS != 80 || *f.RequestsFailed != 7 {
		t.Errorf("probes %d failed %d outage %v detect %v recover %v requests %d", *f.Probes, *f.Failed, *f.OutageMS, *f.TimeToDetectMS, *f.TimeToRecoverMS, *f.RequestsFailed)
	}
}

func TestWritesAreCountedOnce(t *testing.T) {
	w := &writer{visible: []time.Duration{3 * time.Second, time.Second, 2 * time.Second}, sent: []*write{
		{acked: true, known: true}, {acked: true, known: true, lost: true, at: probesAt().Began}, {known: true}, {}, {acked: true, known: true, half: true},
	}}
	got := w.figures()
	want := report.Writes{Sent: 5, Acknowledged: 3, Lost: 1, Half: 1, Unknown: 1, Followed: 3, VisibleP50MS: ptr(2000.0), VisibleMaxMS: ptr(3000.0)}
	if *got.VisibleP50MS != *want.VisibleP50MS || *got.VisibleMaxMS != *want.VisibleMaxMS {
		t.Errorf("visible after %v and %v", *got.VisibleP50MS, *got.VisibleMaxMS)
	}
	got.VisibleP50MS, got.VisibleMaxMS, want.VisibleP50MS, want.VisibleMaxMS = nil, nil, nil, nil
	if *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
	if w.lostIn(probesAt().Began, probesAt().Began.Add(time.Second)) != 1 || w.lostIn(probesAt().Began.Add(time.Second), probesAt().Began.Add(time.Hour)) != 0 {
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
		{"none may fail and none did", scenario.Expect{IdempotentFailedMax: &zero, FailedMax: &zero}, []bool{true, true}, true},
		{"none may fail and one did", scenario.Expect{IdempotentFailedMax: &zero}, []bool{true, false}, false},
		{"one must fail and none did: the harness is blind", scenario.Expect{IdempotentFailedMin: &one}, []bool{true, true}, false},
		{"one must fail and one did", scenario.Expect{FailedMin: &one}, []bool{true, false}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &experiment{run: &run{result: &report.Result{}}, stage: &scenario.Stage{Expect: c.expect},
				entries: []*entry{{name: "lb", method: http.MethodGet, result: probesAt(c.ok...)}}}
			out := &report.Experiment{Passed: true}
			x.judge(out, &attacked{result: &load.Result{}})
			if out.Passed != c.passed {
				t.Errorf("%+v", out)
			}
		})
	}
}
