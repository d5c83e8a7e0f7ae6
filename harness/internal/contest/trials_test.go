package contest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
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
	set, err := suttest.Policies(t).Choose(policy.FullProfile, []string{
		"changes", "origin-killed", "origin-slow", "origin-sick", "idle-connections",
	})
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
		"origin-sick":      {result.FigureFailed, result.FigureWaited, result.FigureHealed},
		"idle-connections": {result.FigureCarried},
	} {
		i := slices.IndexFunc(out.Result.Matrix.Rows, func(r result.MatrixRow) bool { return r.Policy == policy })
		for _, c := range out.Result.Matrix.Rows[i].Cells {
			t.Logf("%s, %s: %s %v %v", policy, c.Arm, c.Outcome, c.Figures, c.Reasons)
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

// TestABalancingThatDoesNotRetryIsSeen spoils an arm's configuration: nginx, told to send no request to another origin, loses requests that
// it answers otherwise.
func TestABalancingThatDoesNotRetryIsSeen(t *testing.T) {
	binary := harnessBinary(t)
	set, err := suttest.Policies(t).Choose(policy.FullProfile, []string{"origin-killed", "origin-slow", "origin-sick"})
	if err != nil {
		t.Fatal(err)
	}
	systems, err := sut.Find([]string{"nginx", "haproxy"})
	if err != nil {
		t.Fatal(err)
	}
	spoilt, as := systems[0], systems[0].Spec
	spoilt.Spec = func(a *sut.Arm) (lab.Spec, error) {
		spec, err := as(a)
		for name, content := range spec.Files {
			spec.Files[name] = bytes.ReplaceAll(content, []byte("proxy_next_upstream error timeout http_503;"), []byte("proxy_next_upstream off;"))
		}
		return spec, err
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
	for _, row := range out.Result.Matrix.Rows {
		spoilt, honest := row.Cells[0], row.Cells[1]
		t.Logf("%s: %v %v; %v %v", row.Policy, spoilt.Figures, spoilt.Reasons, honest.Figures, honest.Reasons)
		if lost := spoilt.Figures[result.FigureFailed]; lost == 0 || lost <= honest.Figures[result.FigureFailed] {
			t.Errorf("%s: %v requests of the spoilt arm failed, %v of the other", row.Policy, lost, honest.Figures[result.FigureFailed])
		}
		if len(spoilt.Reasons) == 0 || !strings.Contains(spoilt.Reasons[0], "requests failed: ") {
			t.Errorf("%s: reasons %q", row.Policy, spoilt.Reasons)
		}
		if _, told := spoilt.Figures[result.FigureHealed]; !told {
			t.Errorf("%s: figures %v", row.Policy, spoilt.Figures)
		}
	}
}

// TestWhatAFaultCostsIsCounted holds the figures of known requests: a fault after a second, a time-out of half of one.
func TestWhatAFaultCostsIsCounted(t *testing.T) {
	began := time.Now()
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	cell := &result.MatrixCell{}
	tellFault(cell, &load.Result{
		Began: began, Counts: load.Counts{Requests: 6, Successes: 4, Failed: 2}, Errors: map[string]uint64{"status_502": 2},
		Raw: []load.Raw{
			{Sent: ms(100), Service: ms(450), OK: true}, // before the fault: it waited, and does not say when the arm healed
			{Sent: ms(1100), Service: ms(2)},
			{Sent: ms(1200), Service: ms(501), OK: true},
			{Sent: ms(1300), Service: ms(399), OK: true},
			{Sent: ms(1250), Service: ms(900)},
			{Sent: ms(3000), Service: ms(2), OK: true},
		},
	}, began.Add(time.Second), ms(500))
	for name, want := range map[string]float64{result.FigureFailed: 2, result.FigureWaited: 2, result.FigureHealed: 250} {
		if got := cell.Figures[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if len(cell.Reasons) != 1 || cell.Reasons[0] != "2 of 6 requests failed: status_502 2" {
		t.Errorf("reasons %q", cell.Reasons)
	}
}
