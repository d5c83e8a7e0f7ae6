package contest

import (
	"testing"

	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/sut/suttest"
)

// TestWebSocketsAreMeasured runs servers under the policies with WebSockets: messages in both loops, and idle tunnels.
func TestWebSocketsAreMeasured(t *testing.T) {
	binary := harnessBinary(t)
	set, err := suttest.Policies(t).Choose("smoke", []string{"websocket", "idle-websockets"})
	if err != nil {
		t.Fatal(err)
	}
	systems, err := sut.Find([]string{"nginx", "varnish", "apache"})
	if err != nil {
		t.Fatal(err)
	}
	spoilt, as := systems[2], systems[2].Lacks
	spoilt.Lacks = func(p *policy.Policy) string {
		if p.Name == "websocket" { // a gateway that cannot, in a row of those that can
			return "it has none"
		}
		return as(p)
	}
	out, err := Run(t.Context(), Options{
		Config: session.Config{
			Runtime: session.RuntimeHost, Reports: t.TempDir(), Harness: binary, Profile: policy.FullProfile, Observer: testObserver{t},
		},
		Set: set, Systems: systems,
	})
	if out == nil {
		t.Fatal(err)
	}
	messages, idle := out.Result.Matrix.Rows[0], out.Result.Matrix.Rows[1]
	for _, c := range messages.Cells[:2] {
		if c.Outcome != result.CellMeasured && c.Outcome != result.CellInvalid || c.P50MS == nil || c.QPS == nil || c.CPUUS == nil {
			t.Errorf("%s: %+v", c.Arm, c)
			continue
		}
		t.Logf("%s: %.0f messages/s, p50 %.2f ms, %.0f us, %v", c.Arm, *c.QPS, *c.P50MS, *c.CPUUS, c.Figures)
		// A message passes an arm in both directions, and no thread can have waited more than some times for each.
		if n := c.Figures[result.FigureSwitches]; n < 0.01 || n > 20 {
			t.Errorf("%s: %v context switches per message", c.Arm, n)
		}
	}
	if c := messages.Cells[2]; c.Outcome != result.CellLacks {
		t.Errorf("%s: %s", c.Arm, c.Outcome)
	}
	for i, c := range idle.Cells {
		_, told := c.Figures[result.FigureIdle]
		carried := c.Figures[result.FigureCarried]
		t.Logf("%s: %v %v", c.Arm, c.Figures, c.Reasons)
		switch {
		case i < 2 && (carried != 1000 || !told):
			t.Errorf("%s: %v idle WebSockets, %v", c.Arm, carried, c.Reasons)
		case i == 2 && (carried == 0 || carried >= 1000 || told || len(c.Reasons) != 1):
			t.Errorf("%s, which has 256 workers, carries %v: %v", c.Arm, carried, c.Reasons)
		}
	}
}
