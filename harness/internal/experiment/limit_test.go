package experiment

import (
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// loadOfSeconds is a load of five seconds that began 0.4 s into a second, and asked for n requests in each second, of which admit says
// how many were admitted.
func loadOfSeconds(n int, admit func(second int) int) *load.Result {
	began := time.Unix(1000, 0).Add(400 * time.Millisecond)
	res := &load.Result{Began: began, Attack: load.Attack{Duration: 5 * time.Second}}
	for s := range 6 {
		for i := range n {
			at := time.Unix(int64(1000+s), 0).Add(time.Duration(i) * time.Second / time.Duration(n))
			if sent := at.Sub(began); sent >= 0 && sent < 5*time.Second {
				res.Raw = append(res.Raw, load.Raw{Sent: sent, Service: time.Millisecond, OK: i < admit(s)})
			}
		}
	}
	return res
}

func TestWindowsOfALoad(t *testing.T) {
	res := loadOfSeconds(100, func(second int) int { return map[int]int{1: 20, 2: 20, 3: 19, 4: 20}[second] })
	killed := fault.Event{InjectedAt: time.UnixMilli(1002_100), RecoveredAt: time.UnixMilli(1002_500)}
	h := windowsOf(res, time.Second, 20, []fault.Event{killed})
	if len(h.Windows) != 4 || h.Fullest != 20 || h.Windows[0].OffsetS != 0.6 {
		t.Fatalf("%+v", h)
	}
	// The second in which the fault was at work, and the one after it.
	if h.Whole != (result.WindowsHeld{Windows: 2, Allowed: 40, Admitted: 40, Share: 1}) ||
		h.Faulty != (result.WindowsHeld{Windows: 2, Allowed: 40, Admitted: 39, Share: 39.0 / 40}) {
		t.Errorf("whole %+v, faulty %+v", h.Whole, h.Faulty)
	}
}

// TestARequestAtAWindowsEndMayBeEithers: it is not held against a limit, and a window never gets more than its permits by it.
func TestARequestAtAWindowsEndMayBeEithers(t *testing.T) {
	res := loadOfSeconds(100, func(int) int { return 20 })
	late := load.Raw{Sent: time.Unix(1002, 0).Add(-time.Millisecond).Sub(res.Began), Service: 3 * time.Millisecond, OK: true}
	res.Raw = append(res.Raw, late)
	h := windowsOf(res, time.Second, 20, nil)
	if h.Fullest != 20 || h.Whole.Admitted != h.Whole.Allowed {
		t.Errorf("fullest %d, %+v", h.Fullest, h.Whole)
	}
	late.Service = 0
	res.Raw = append(res.Raw, late)
	if h := windowsOf(res, time.Second, 20, nil); h.Fullest != 21 {
		t.Errorf("fullest %d, although one more was admitted within the window", h.Fullest)
	}
}

func TestScriptCalls(t *testing.T) {
	n, err := scriptCalls("# Commandstats\r\n" +
		"cmdstat_get:calls=900,usec=1\r\ncmdstat_evalsha:calls=41,usec=7\r\ncmdstat_eval:calls=1,usec=7\r\n")
	if err != nil || n != 42 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := scriptCalls("cmdstat_evalsha:calls=x,usec=7"); err == nil {
		t.Error("a count that is no number was read")
	}
}

// judged are the expectations that were not met.
func judged(judge func(expectFunc)) (unmet []string) {
	judge(func(what, _, saw string, met bool) {
		if !met {
			unmet = append(unmet, what+": "+saw)
		}
	})
	return unmet
}

func TestLimitsAreJudged(t *testing.T) {
	x := &experiment{stage: &scenario.Stage{Expect: scenario.Expect{Limit: scenario.LimitExpect{
		Permits: 20, Window: time.Second, AdmittedMin: 0.99, FaultMin: 0.9, AboveMax: 0.1, CommandsMax: 0.1, CPUMax: 1.1,
	}}}}
	good := result.LimitHeld{Permits: 20, Fullest: 20, Crowded: 22, Windows: make([]result.LimitWindow, 2),
		Commands: new(0.05), CPURatio: new(1.05),
		Whole: result.WindowsHeld{Windows: 1, Share: 1}, Faulty: result.WindowsHeld{Windows: 1, Share: 0.9}}
	for name, c := range map[string]struct {
		change func(h *result.LimitHeld)
		want   string
	}{
		"as expected":         {func(*result.LimitHeld) {}, ""},
		"one too many":        {func(h *result.LimitHeld) { h.Fullest = 21 }, "fullest"},
		"too many in a fault": {func(h *result.LimitHeld) { h.Crowded = 23 }, "fullest window with a fault"},
		"no window":           {func(h *result.LimitHeld) { h.Windows = nil }, "fullest window without"},
		"too few":             {func(h *result.LimitHeld) { h.Whole.Share = 0.98 }, "without a fault"},
		"too few in a fault":  {func(h *result.LimitHeld) { h.Faulty.Share = 0.89 }, "with a fault"},
		"few in one more":     {func(h *result.LimitHeld) { h.Faulty = result.WindowsHeld{Windows: 1} }, "with a fault"},
		"too many commands":   {func(h *result.LimitHeld) { h.Commands = new(0.11) }, "commands"},
		"commands unknown":    {func(h *result.LimitHeld) { h.Commands = nil }, "commands"},
		"too much CPU time":   {func(h *result.LimitHeld) { h.CPURatio = new(1.2) }, "CPU"},
	} {
		h := good
		c.change(&h)
		got := judged(func(expect expectFunc) { x.judgeLimit(&result.Experiment{Limit: &h}, expect) })
		if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: %q are not met, want one about %q", name, got, c.want)
		}
	}
}

func TestTokensAreJudged(t *testing.T) {
	e := scenario.TokenExpect{Limit: 1000, Reserved: 50, AdmittedMin: 0.99}
	for name, c := range map[string]struct {
		held result.TokensHeld
		want string
	}{
		"exact":                       {result.TokensHeld{Limit: 1000, Served: 995, Counted: 995, Share: 0.995}, ""},
		"reserved by one that failed": {result.TokensHeld{Limit: 1000, Served: 995, Counted: 1045, Failed: 1, Share: 0.995}, ""},
		"one unit beyond":             {result.TokensHeld{Limit: 1000, Served: 995, Counted: 996, Share: 0.995}, "counted"},
		"more than were reserved":     {result.TokensHeld{Limit: 1000, Served: 995, Counted: 1046, Failed: 1, Share: 0.995}, "counted"},
		"not counted":                 {result.TokensHeld{Limit: 1000, Served: 995, Counted: 994, Failed: 1, Share: 0.995}, "counted"},
		"too many":                    {result.TokensHeld{Limit: 1000, Served: 1001, Counted: 1001, Share: 1.001}, "tokens served"},
		"too few":                     {result.TokensHeld{Limit: 1000, Served: 900, Counted: 900, Share: 0.9}, "share"},
	} {
		got := judged(func(expect expectFunc) { judgeTokens(e, &c.held, expect) })
		if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: %q are not met, want one about %q", name, got, c.want)
		}
	}
}
