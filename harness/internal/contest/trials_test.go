package contest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/sut/suttest"
)

func TestIdleConnectionsThatAreNotKeptAreCounted(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }))
	defer s.Close()
	address := strings.TrimPrefix(s.URL, "http://")
	open, err := openIdle(t.Context(), address, "/", 20, openOne)
	if err != nil || len(open) != 20 || stillOpen(open) != 20 {
		t.Fatalf("%d connections, %d open: %v", len(open), stillOpen(open), err)
	}
	s.CloseClientConnections()
	if n := stillOpen(open); n != 0 {
		t.Errorf("%d of 20 are taken for open", n)
	}
	for _, c := range open {
		c.Close()
	}
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }))
	defer refusing.Close()
	if open, err := openIdle(t.Context(), strings.TrimPrefix(refusing.URL, "http://"), "/", 5, openOne); err == nil || len(open) != 0 {
		t.Errorf("%d connections of a server that keeps none: %v", len(open), err)
	}
	kept := &result.MatrixCell{}
	tellIdle(kept, lab.Usage{MemoryBytes: 1 << 20}, lab.Usage{MemoryBytes: 3 << 20}, 1024, 1024)
	fewer := &result.MatrixCell{}
	tellIdle(fewer, lab.Usage{}, lab.Usage{MemoryBytes: 3 << 20}, 700, 1024)
	_, told := fewer.Figures[result.FigureIdle]
	if kept.Figures[result.FigureIdle] != 2 || told || len(fewer.Reasons) != 1 {
		t.Errorf("%+v, %+v", kept, fewer)
	}
}

// TestServersUnderTrials runs servers under the policies that are measured once: changes, faults, idle connections.
func TestServersUnderTrials(t *testing.T) {
	binary := harnessBinary(t)
	set, err := suttest.Policies(t).Choose(policy.FullProfile, []string{"changes", "origin-killed", "origin-slow", "idle-connections"})
	if err != nil {
		t.Fatal(err)
	}
	systems, err := sut.Find([]string{"nginx", "haproxy", "apache"})
	if err != nil {
		t.Fatal(err)
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
	effect, lost := result.FiguresOfChanges(10)
	for policy, figures := range map[string][]string{
		"changes": {effect, lost}, "origin-killed": {result.FigureFailed}, "origin-slow": {result.FigureFailed},
		"idle-connections": {result.FigureCarried},
	} {
		i := slices.IndexFunc(out.Result.Matrix.Rows, func(r result.MatrixRow) bool { return r.Policy == policy })
		for _, c := range out.Result.Matrix.Rows[i].Cells {
			t.Logf("%s, %s: %s %v %v", policy, c.Arm, c.Outcome, c.Figures, c.Reasons)
			if c.Arm == "apache" && strings.HasPrefix(policy, "origin") {
				if c.Outcome != result.CellLacks {
					t.Errorf("%s, %s: %s", policy, c.Arm, c.Outcome)
				}
				continue
			}
			for _, f := range figures {
				if _, ok := c.Figures[f]; !ok || c.Outcome != result.CellMeasured {
					t.Errorf("%s, %s: %s %v: no %s", policy, c.Arm, c.Outcome, c.Reasons, f)
				}
			}
		}
	}
}

// testObserver logs a session's steps.
type testObserver struct{ t *testing.T }

func (o testObserver) Observe(e session.Event) {
	if e.Text != "" {
		o.t.Log(e.Text)
	}
}
