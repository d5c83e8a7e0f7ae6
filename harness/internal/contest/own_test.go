package contest

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// harnessBinary builds the program that is the lab's origin and worker.
func harnessBinary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a lab of processes, and -short asks for tests without servers: run make test")
	}
	binary := filepath.Join(t.TempDir(), "harness")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/gatelab/gatelab/harness")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the harness: %v\n%s", err, out)
	}
	return binary
}

const ownPolicies = `
name: mine
seed: 1
load: {rate: 200, connections: 16, open: 500ms, closed: 200ms, rounds: 1}
policies:
  - name: document
    summary: one document
    rate: 400
    traffic: [{path: "/v1/models/model-{id}", ids: 50}]
    probes: [{name: a document, path: /v1/models/model-7, status: 200, json: {id: model-7}, count: 5}]
  - name: key
    summary: a key
    auth: {kind: key, header: apikey, key: k}
    traffic: [{path: /x}]
    probes: [{name: no key, path: /x, status: 401}]
`

// visitor counts the requests of an address outside the lab, and their connections.
type visitor struct {
	mu          sync.Mutex
	requests    int
	connections map[string]bool
}

func (v *visitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.requests++
	v.connections[r.RemoteAddr] = true
	v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"id":"` + filepath.Base(r.URL.Path) + `"}`))
}

func own(t *testing.T, make func(sut.Own) (*sut.System, error), name, value string) *sut.System {
	t.Helper()
	o, err := sut.ParseOwn("x", name+"="+value, "/v1/models/model-1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := make(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOwnServicesAreArms compares a program, one that misbehaves, one that does not start, and an address outside the lab.
func TestOwnServicesAreArms(t *testing.T) {
	binary := harnessBinary(t)
	outside := &visitor{connections: map[string]bool{}}
	server := httptest.NewServer(outside)
	defer server.Close()
	set, err := policy.Parse("mine.yaml", []byte(ownPolicies))
	if err != nil {
		t.Fatal(err)
	}
	origin := binary + " origin --listen {listen} --body-bytes 512"
	out, err := Run(t.Context(), Options{
		Config: session.Config{Runtime: session.RuntimeHost, Reports: t.TempDir(), Harness: binary, Profile: policy.FullProfile},
		Set:    set,
		Systems: []*sut.System{
			own(t, sut.Own.Command, "first", origin+" --models 100"),
			own(t, sut.Own.Command, "few", origin+" --models 3"),
			own(t, sut.Own.Command, "ends", binary+" origin --listen nowhere"),
			own(t, sut.Own.Target, "outside", server.URL),
		},
	})
	if out == nil {
		t.Fatal(err)
	}
	row := out.Result.Matrix.Rows[0]
	if row.OfferedQPS != outsideRate {
		t.Errorf("offered %v requests/s, want the bound of what is outside", row.OfferedQPS)
	}
	want := []string{result.CellMeasured, result.CellExcluded, result.CellFailed, result.CellMeasured}
	for i, c := range row.Cells {
		if c.Outcome != want[i] {
			t.Errorf("%s is %s (%v), want %s", c.Arm, c.Outcome, c.Reasons, want[i])
		}
	}
	for _, phase := range []string{result.PhaseStart, result.PhaseParity, result.PhaseWarmUp, result.PhaseOpen, result.PhaseClosed} {
		if row.Seconds[phase] <= 0 {
			t.Errorf("the row took no time for %s: %v", phase, row.Seconds)
		}
	}
	if open, least := row.Seconds[result.PhaseOpen], 2*set.Load.Open.Seconds(); open < least {
		t.Errorf("the open loops of two arms took %.2f s, want %.2f at least", open, least)
	}
	first, last := row.Cells[0], row.Cells[3]
	if first.QPS == nil || first.MemoryMiB == nil || first.P50MS == nil {
		t.Errorf("the program has figures missing: %+v", first)
	}
	if last.QPS != nil || last.MemoryMiB != nil || last.CPUUS != nil || last.P50MS == nil ||
		len(last.Reasons) == 0 || !strings.HasPrefix(last.Reasons[0], "outside the lab: ") {
		t.Errorf("outside the lab: %+v", last)
	}
	// Readiness, 5 probes, and at most 50/s in the warm-up and the round, each of half a second, with what precedes each turn.
	if outside.requests < 20 || outside.requests > 80 || len(outside.connections) > 40 {
		t.Errorf("outside: %d requests on %d connections", outside.requests, len(outside.connections))
	}
	for _, c := range out.Result.Matrix.Rows[1].Cells {
		if c.Outcome != result.CellLacks || !strings.Contains(c.Reasons[0], "runs without a configuration") {
			t.Errorf("key, %s: %s %v", c.Arm, c.Outcome, c.Reasons)
		}
	}
}

func TestLoadIsBoundedOutsideTheLab(t *testing.T) {
	set := &policy.Set{Load: policy.Load{Rate: 1500, Connections: 32}, Policies: []policy.Policy{{Rate: 100}, {}}}
	outside := []*sut.System{{}, {Address: "127.0.0.1:1"}}
	for _, c := range []struct {
		name        string
		options     Options
		rate        float64
		connections int
		policies    []float64
	}{
		{name: "within", options: Options{Systems: outside[:1]}, rate: 1500, connections: 32, policies: []float64{100, 0}},
		{name: "outside", options: Options{Systems: outside}, rate: 50, connections: 10, policies: []float64{50, 0}},
		{name: "outside, as told", options: Options{Systems: outside, Rate: 200, Connections: 20}, rate: 200, connections: 20,
			policies: []float64{100, 0}},
		{name: "a rate within", options: Options{Systems: outside[:1], Rate: 30}, rate: 30, connections: 32, policies: []float64{30, 0}},
	} {
		c.options.Set = set
		got := bounded(&c.options)
		rates := []float64{got.Policies[0].Rate, got.Policies[1].Rate}
		if got.Load.Rate != c.rate || got.Load.Connections != c.connections || !slices.Equal(rates, c.policies) {
			t.Errorf("%s: %+v, policies %v", c.name, got.Load, rates)
		}
	}
	if set.Load.Rate != 1500 || set.Policies[0].Rate != 100 {
		t.Error("the set itself was changed")
	}
}

func TestImagesAreNotHadAsProcesses(t *testing.T) {
	spec := lab.Spec{Name: "kong", Program: "no-such-program", Source: lab.Source{Image: "kong:3", EntryPoint: true}}
	if err := havable(&session.Session{RuntimeName: session.RuntimeHost}, spec); err == nil || !strings.Contains(err.Error(), "kong:3 only") {
		t.Errorf("error %v", err)
	}
	if err := havable(&session.Session{RuntimeName: session.RuntimeDocker}, spec); err != nil {
		t.Error(err)
	}
	spec.Source.EntryPoint = false
	if err := havable(&session.Session{RuntimeName: session.RuntimeHost}, spec); err != nil {
		t.Error(err)
	}
}
