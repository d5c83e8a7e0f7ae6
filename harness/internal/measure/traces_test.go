package measure

import (
	"strings"
	"testing"
)

func of(n uint64) *uint64 { return &n }

func fineTracing() Tracing {
	return Tracing{
		Sample: 0.01, Traces: 120, Spans: 500, Whole: 120, Begun: 100,
		Requests: of(10_000), Origin: of(10_020), Traced: of(10_019),
	}
}

// Each row breaks one thing, and the check that is there for it says so.
func TestCheckTraces(t *testing.T) {
	for _, row := range []struct {
		name, check string
		change      func(*Tracing)
		want        Verdict
		saw         string
	}{
		{"nothing", tracesWhole, func(*Tracing) {}, OK, "120 of 120 (500 spans)"},
		{"no trace", tracesWhole, func(t *Tracing) { t.Traces, t.Whole = 0, 0 }, Invalid, "no trace at all"},
		{"broken trees", tracesWhole, func(t *Tracing) {
			t.Whole, t.Example = 110, "ab: x"
			t.Faults = map[string]uint64{"b": 3, "a": 3, "c": 7}
		}, Invalid, "110 of 120 (500 spans): 7 c, 3 a, 3 b; as in ab: x"},
		{"broken trees while a node is killed", tracesWhole, func(t *Tracing) { t.Whole, t.Broken = 110, true }, Warning, "110 of 120"},
		{"as many as due", tracesSampled, func(*Tracing) {}, OK, "1% (100 of 10000)"},
		{"few by chance", tracesSampled, func(t *Tracing) { t.Begun = 60 }, OK, "0.6%"},
		{"too few", tracesSampled, func(t *Tracing) { t.Begun = 55 }, Invalid, "0.55%"},
		{"too many", tracesSampled, func(t *Tracing) { t.Begun = 150 }, Invalid, "1.5%"},
		{"all", tracesSampled, func(t *Tracing) { t.Sample, t.Begun = 1, 9_995 }, OK, "99.95%"},
		{"not all", tracesSampled, func(t *Tracing) { t.Sample, t.Begun = 1, 9_900 }, Invalid, "99% (9900 of 10000)"},
		{"requests are not known", tracesSampled, func(t *Tracing) { t.Requests = nil }, Skipped, unknown},
		{"passed on", tracesPassedOn, func(*Tracing) {}, OK, "on 10019 of 10020"},
		{"not passed on", tracesPassedOn, func(t *Tracing) { t.Traced = of(100) }, Invalid, "on 100 of 10020"},
		{"an origin is not known", tracesPassedOn, func(t *Tracing) { t.Origin = nil }, Skipped, unknown},
		{"all collected", tracesCollected, func(*Tracing) {}, OK, "0 dropped"},
		{"dropped", tracesCollected, func(t *Tracing) { t.Dropped = 1 }, Invalid, "1 dropped"},
		{"lost", tracesCollected, func(t *Tracing) { t.Lost = 2 }, Invalid, "0 dropped, 0 exports refused, 2 lost"},
	} {
		t.Run(row.name, func(t *testing.T) {
			facts := fineTracing()
			row.change(&facts)
			for _, c := range CheckTraces(facts) {
				if c.Name != row.check {
					continue
				}
				if c.Verdict != row.want || !strings.HasPrefix(c.Saw, row.saw) {
					t.Errorf("%s: %s, want %s: %s", c.Verdict, c.Saw, row.want, row.saw)
				}
				if bad := c.Verdict == Invalid || c.Verdict == Warning; bad != (c.Remedy != "") {
					t.Errorf("verdict %s with the remedy %q", c.Verdict, c.Remedy)
				}
				return
			}
			t.Errorf("no check %q", row.check)
		})
	}
}
