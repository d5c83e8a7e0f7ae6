package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// options are the command's defaults.
func options() Options { return Options{Last: 200, Level: 0.05} }

var began = time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)

// run is the i-th run of a nightly scenario with one stage, with noise of 3% from r; factor is on its CPU time.
func run(r *rand.Rand, i int, factor float64) *result.Result {
	vary := func(v float64) *float64 { return new(v * math.Exp(0.03*r.NormFloat64())) }
	cpu := *vary(50)
	return &result.Result{
		Schema: result.SchemaV2, RunID: fmt.Sprintf("run-%d", i), Scenario: "nightly", Profile: "full", Runtime: "docker",
		StartedAt: began.Add(time.Duration(i) * 24 * time.Hour), Valid: true,
		Manifest: result.Manifest{Commit: fmt.Sprintf("%012x", 0xabc000+i), Dirty: new(false), CPUModel: "Example 2.0GHz", Cores: 2},
		Stages: []result.Stage{{
			Name: "cache", Valid: true, Replicas: 1, QPS: vary(1000), ErrorRate: new(0.0),
			Load:            result.Load{Model: result.Both, OfferedQPS: new(500.0), Connections: new(100), Rounds: 1},
			LatencyMS:       &result.Latency{P50: vary(2), P99: vary(20)},
			CPUPerRequestUS: map[string]float64{"gateway": cpu * factor, "lb": 5},
			MemoryPeakMiB:   map[string]float64{"gateway-1": 40, "gateway-2": *vary(50), "postgres": 900},
		}},
	}
}

// single is one run on its own.
func single(i int) *result.Result { return run(rand.New(rand.NewPCG(1, uint64(i))), i, 1) }

// nightly are n runs; CPU time is 15% higher from run at on.
func nightly(n, at int) (out []*result.Result) {
	r := rand.New(rand.NewPCG(5, 7))
	for i := range n {
		factor := 1.0
		if i >= at {
			factor = 1.15
		}
		out = append(out, run(r, i, factor))
	}
	return out
}

func find(t *testing.T, h *History, stage, metric string) *Series {
	t.Helper()
	for i := range h.Groups {
		for j := range h.Groups[i].Series {
			if s := &h.Groups[i].Series[j]; h.Groups[i].Stage == stage && s.Metric.Name == metric {
				return s
			}
		}
	}
	t.Fatalf("no series of %s, %s", stage, metric)
	return nil
}

func TestAChangeIsFoundWithItsCommits(t *testing.T) {
	runs := nightly(20, 12)
	runs[12].Manifest.Kernel = "6.13"
	slices.Reverse(runs) // the order of files is no order of time
	h := Of(runs, options())
	s := find(t, h, "cache", CPU)
	if len(s.Changes) != 1 {
		t.Fatalf("changes %+v: want one", s.Changes)
	}
	c := s.Changes[0]
	if c.Index != 12 || c.Verdict != Worse || !c.Sure {
		t.Errorf("change at %d, %s, sure: %v: want 12, worse, true", c.Index, c.Verdict, c.Sure)
	}
	if c.Effect.Low == nil || *c.Effect.Low > 1.15 || *c.Effect.High < 1.15 || *c.Effect.Low < 1.05 || *c.Effect.High > 1.25 {
		t.Errorf("effect %+v: want an interval around 1.15", c.Effect)
	}
	if want := "git log --oneline 000000abc00b..000000abc00c"; c.Blame.Command != want {
		t.Errorf("command %q: want %q", c.Blame.Command, want)
	}
	if d := c.Blame.Differences; len(d) != 1 || d[0].Name != "system" {
		t.Errorf("differences %v: want the kernel's", d)
	}
	if got := h.Worse(); len(got) != 1 || got[0] != "cache cpu" {
		t.Errorf("worse: %v", got)
	}
	if m := find(t, h, "cache", Memory); m.Points[0].Value < 45 || m.Points[0].Value > 60 {
		t.Errorf("memory %v: want that of the largest gateway", m.Points[0].Value)
	}
}

// TestBackAgain: a series that recovered has two changes, and nothing is worse.
func TestBackAgain(t *testing.T) {
	runs := nightly(30, 10)
	for _, r := range runs[20:] {
		r.Stages[0].CPUPerRequestUS["gateway"] /= 1.15
	}
	h := Of(runs, options())
	s := find(t, h, "cache", CPU)
	if len(s.Changes) != 2 || s.Changes[1].Verdict != Better {
		t.Errorf("changes %+v: want worse and better", s.Changes)
	}
	if got := h.Worse(); len(got) > 0 {
		t.Errorf("worse: %v", got)
	}
}

// TestVerdictsFollowTheMetric: more throughput is better; errors are compared by difference, for there are none before.
func TestVerdictsFollowTheMetric(t *testing.T) {
	runs := nightly(20, 99)
	for _, r := range runs[10:] {
		*r.Stages[0].QPS *= 1.3
		*r.Stages[0].ErrorRate = 0.01
	}
	h := Of(runs, options())
	if s := find(t, h, "cache", QPS); len(s.Changes) != 1 || s.Changes[0].Verdict != Better {
		t.Errorf("QPS: %+v", s.Changes)
	}
	s := find(t, h, "cache", Errors)
	if len(s.Changes) != 1 || s.Changes[0].Verdict != Worse || math.Abs(s.Changes[0].Effect.Value-0.01) > 0.001 {
		t.Errorf("errors: %+v", s.Changes)
	}
}

func TestMachinesAreNotMixed(t *testing.T) {
	runs := nightly(20, 10) // the step is the machine's
	for _, r := range runs[10:] {
		r.Manifest.CPUModel = "Other 3.0GHz"
	}
	h := Of(runs, options())
	if len(h.Groups) != 2 {
		t.Fatalf("%d groups: want one for each machine", len(h.Groups))
	}
	for _, g := range h.Groups {
		if len(g.Notes) != 1 || !strings.Contains(g.Notes[0], "2 machines") {
			t.Errorf("%s: notes %v", g.Machine, g.Notes)
		}
	}
	if got := h.Worse(); len(got) > 0 {
		t.Errorf("worse: %v", got)
	}
	if text := strings.Join(h.Summary(), "\n"); !strings.Contains(text, "2 x Example 2.0GHz; 2 x Other 3.0GHz") {
		t.Errorf("the summary does not name the machines:\n%s", text)
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	runs := nightly(9, 99)
	runs[3].Stages[0].Valid = false
	runs = append(runs, runs[0]) // a copy in a cache
	g := single(20)
	g.Scenario, g.Comparison = "gate", &result.Comparison{}
	for _, arm := range []string{gate.Base, gate.Again} {
		s := g.Stages[0]
		s.Name = "cache/" + arm
		g.Stages = append(g.Stages, s)
	}
	g.Stages[0].Name = "cache/" + gate.Head
	alone := single(21) // against a recorded baseline
	alone.Scenario, alone.Comparison = "gate", &result.Comparison{}
	alone.Stages[0].Name = "cache/" + gate.Base
	m := single(22)
	m.Scenario, m.Stages = "compare", nil
	m.Matrix = &result.Matrix{Rows: []result.MatrixRow{{Policy: "plain", OfferedQPS: 100, Cells: []result.MatrixCell{
		{Arm: "gatelab", Outcome: result.CellMeasured, QPS: new(1000.0), CPUUS: new(10.0)},
		{Arm: "nginx", Outcome: result.CellMeasured, QPS: new(5000.0), Limited: true, CPUUS: new(5.0)},
		{Arm: "caddy", Outcome: result.CellInvalid, QPS: new(900.0)},
		{Arm: "kong", Outcome: result.CellFailed},
	}}}}
	services := single(23) // a gate of services: their builds are arms
	services.Scenario, services.Stages = "services", nil
	services.Comparison = &result.Comparison{}
	services.Matrix = &result.Matrix{Arms: []result.MatrixArm{{Name: gate.Base}, {Name: gate.Head}}}
	services.Matrix.Rows = []result.MatrixRow{{Policy: "api", Cells: []result.MatrixCell{
		{Arm: gate.Base, Outcome: result.CellMeasured, CPUUS: new(10.0)}, {Arm: gate.Head, Outcome: result.CellMeasured, CPUUS: new(9.0)},
	}}}
	h := Of(append(runs, g, alone, m, services), options())
	want := Left{Runs: 14, Duplicates: 1, Invalid: 2, OtherArms: 3, Unmeasured: 1, Unreadable: []Unreadable{}}
	if fmt.Sprint(h.Left) != fmt.Sprint(want) {
		t.Errorf("left out %+v: want %+v", h.Left, want)
	}
	var stages []string
	for _, g := range h.Groups {
		stages = append(stages, g.Stage)
	}
	if want := []string{"plain/gatelab", "plain/nginx", "cache/base", "cache/head", "cache", "api/head"}; !slices.Equal(stages, want) {
		t.Errorf("stages %v: want %v", stages, want)
	}
	if s := find(t, h, "cache", CPU); len(s.Points) != 8 || !s.Judged {
		t.Errorf("%d points, judged %v: want 8, true", len(s.Points), s.Judged)
	}
	for _, g := range h.Groups {
		if g.Stage == "plain/nginx" && len(g.Series) != 1 {
			t.Error("a throughput that is a lower bound is in a series")
		}
	}
}

// TestManyEqualSeries: what holds across all series is wrong in 5% of histories at most, however many series they have.
func TestManyEqualSeries(t *testing.T) {
	const histories, stages = 60, 8
	changes, wrong := 0, 0
	r := rand.New(rand.NewPCG(1, 1))
	for range histories {
		var runs []*result.Result
		for i := range 12 {
			one := single(i)
			one.Stages = nil
			for s := range stages {
				one.Stages = append(one.Stages, result.Stage{
					Name: fmt.Sprint(s), Valid: true, QPS: new(math.Exp(0.03 * r.NormFloat64())),
					CPUPerRequestUS: map[string]float64{"gateway": math.Exp(0.03 * r.NormFloat64())},
				})
			}
			runs = append(runs, one)
		}
		h := Of(runs, options())
		for _, s := range h.series() {
			changes += len(s.Changes)
		}
		if len(h.Worse()) > 0 {
			wrong++
		}
	}
	t.Logf("%d change points in %d series; %d of %d histories have a sure one that is worse", changes, histories*stages*2, wrong, histories)
	if wrong > 8 { // 3 are expected; more than 8 have a probability of 0.3%
		t.Errorf("%d of %d histories", wrong, histories)
	}
	if share := float64(changes) / (histories * stages * 2); share > 0.075 {
		t.Errorf("change points in %.1f%% of series", 100*share)
	}
}

func TestBlame(t *testing.T) {
	point := func(commit string, dirty bool) *Point {
		return &Point{Commit: commit, Dirty: dirty, run: new(result.Result)}
	}
	for _, test := range []struct {
		name          string
		before, after *Point
		command, note string
	}{
		{
			name: "two commits", before: point("aaaa", false), after: point("bbbb", false),
			command: "git log --oneline aaaa..bbbb",
		},
		{
			name: "uncommitted changes", before: point("aaaa", false), after: point("bbbb", true),
			command: "git log --oneline aaaa..bbbb", note: "first run after had changes",
		},
		{name: "the same commit", before: point("aaaa", false), after: point("aaaa", false), note: "the commit is the same"},
		{
			name: "the same commit with changes", before: point("aaaa", true), after: point("aaaa", false),
			note: "last run before had changes",
		},
		{name: "no commit", before: point("", false), after: point("aaaa", false), note: "not known"},
		{name: "no commit's name", before: point("$(reboot)", false), after: point("aaaa", false)},
	} {
		b := blameOf(test.before, test.after)
		if b.Command != test.command || !strings.Contains(strings.Join(b.Notes, "\n"), test.note) {
			t.Errorf("%s: %+v", test.name, b)
		}
	}
}

// TestAnArmOfAnotherVersion: the version of a gateway is no commit of this repository.
func TestAnArmOfAnotherVersion(t *testing.T) {
	runs := nightly(20, 10)
	for i, r := range runs {
		version := "1.24"
		if i >= 10 {
			version = "1.26"
		}
		cpu := r.Stages[0].CPUPerRequestUS["gateway"]
		r.Stages = nil
		r.Matrix = &result.Matrix{Arms: []result.MatrixArm{{Name: "nginx", Version: version}}, Rows: []result.MatrixRow{{
			Policy: "plain", Cells: []result.MatrixCell{{Arm: "nginx", Outcome: result.CellMeasured, CPUUS: &cpu}},
		}}}
	}
	s := find(t, Of(runs, options()), "plain/nginx", CPU)
	const want = "the arm's version, 1.24 before and 1.26 after"
	if len(s.Changes) != 1 || !strings.Contains(strings.Join(s.Changes[0].Blame.lines(), "\n"), want) {
		t.Errorf("changes %+v", s.Changes)
	}
}

func TestFormats(t *testing.T) {
	runs := nightly(20, 12)
	for _, r := range runs {
		r.Stages[0].Name = "a|<b>\x1b[31m"
	}
	runs[5].Stages[0].Load.OfferedQPS = new(700.0)
	h := Of(append(runs, single(40)), options())
	h.Left.Unreadable = append(h.Left.Unreadable, Unreadable{Path: "x/result.json", Problem: "torn"})
	write := func(f func(*bytes.Buffer) error) string {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	table := write(func(b *bytes.Buffer) error { return Table(b, h) })
	markdown := write(func(b *bytes.Buffer) error { return Markdown(b, h) })
	page := write(func(b *bytes.Buffer) error { return HTML(b, h) })
	for name, text := range map[string]string{"table": table, "markdown": markdown, "page": page} {
		for _, want := range []string{
			"git log --oneline 000000abc00b..000000abc00c", "worse, 1.1", "trend only: change points want 8 runs", "x/result.json", "torn",
			"the offered rate is not the same in all runs: 500 to 700",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
		if strings.Contains(text, "\x1b") {
			t.Errorf("%s: an escape code", name)
		}
	}
	if strings.Contains(markdown, "<b>") || strings.Contains(page, "<b>") || !strings.Contains(markdown, `a\|&lt;b>`) {
		t.Error("a name is markup")
	}
	var back History
	if err := json.Unmarshal([]byte(write(func(b *bytes.Buffer) error { return JSON(b, h) })), &back); err != nil || len(back.Groups) != 2 {
		t.Errorf("JSON: %v, %d groups", err, len(back.Groups))
	}
}

func TestOptionsAreValidated(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string
	}{
		{options(), ""},
		{Options{Last: 7, Level: 0.05}, "last: 7 is not allowed: want 8 to 500 points"},
		{Options{Last: 20, Level: 0}, "level: 0 is not allowed"},
		{Options{Last: 20, Level: math.NaN()}, "level: NaN is not allowed"},
	} {
		if got := fmt.Sprint(test.o.Validate()); !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "<nil>") {
			t.Errorf("%+v: %s", test.o, got)
		}
	}
}
