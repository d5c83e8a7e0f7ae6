package capacity

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// surveyOf is a survey of the committed ladder, without a lab.
func surveyOf(t *testing.T, stage string) *survey {
	t.Helper()
	asked, err := slo.Parse("p99<100ms,errors<1%")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Config: session.Config{Reports: t.TempDir()}, File: "../../../scenarios/ladder.yaml", Stage: stage, Replicas: []int{1, 2}}
	o.Plan.SLO = asked
	v, err := newSurvey(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCapacityOfOneStageIsSearchedWithEachNumberOfReplicas(t *testing.T) {
	s := surveyOf(t, "multi")
	if got, want := names(s.subjects), []string{"multi-1", "multi-2"}; !slices.Equal(got, want) || s.subjects[1].Topology.Replicas != 2 {
		t.Errorf("subjects %q, the last of %d replicas, want %q", got, s.subjects[len(s.subjects)-1].Topology.Replicas, want)
	}
}

func TestCapacityOfEveryStageIsSearchedAsItStands(t *testing.T) {
	s := surveyOf(t, scenario.All)
	if got, want := names(s.subjects), []string{"baseline", "pool", "cache", "limits", "multi"}; !slices.Equal(got, want) {
		t.Errorf("subjects %q, want %q: every stage but the edge", got, want)
	}
	if !slices.Equal(s.skipped, []string{"edge"}) {
		t.Errorf("left out %q", s.skipped)
	}
	for _, one := range s.subjects {
		want := 1
		if one.Name == "multi" {
			want = 3
		}
		if one.Topology.Replicas != want {
			t.Errorf("%s: %d replicas, want %d", one.Name, one.Topology.Replicas, want)
		}
		if len(one.Schedule()) > 0 || one.Load.Probe.Rate > 0 || one.Published != nil {
			t.Errorf("%s: faults, probes or published figures in a search", one.Name)
		}
		if one.SLO.String() != s.options.Plan.SLO.String() {
			t.Errorf("%s: held to %+v, not to what was asked for", one.Name, one.SLO)
		}
	}
}

func names(stages []scenario.Stage) []string {
	var out []string
	for _, s := range stages {
		out = append(out, s.Name)
	}
	return out
}

func TestOptionsAreValidated(t *testing.T) {
	asked, err := slo.Parse("p99<100ms")
	if err != nil {
		t.Fatal(err)
	}
	good := Options{
		Stage: "cache", Replicas: []int{1}, Window: 3 * time.Second, Closed: 5,
		Plan: Plan{SLO: asked, From: 100, To: 1000, Precision: 0.05, Confirms: 2},
	}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{name: "no stage", change: func(o *Options) { o.Stage = "" }, want: "stage: want exactly one, or all"},
		{name: "no replicas", change: func(o *Options) { o.Replicas = nil }, want: "replicas: want at least one number"},
		{name: "too many replicas", change: func(o *Options) { o.Replicas = []int{1, 10} }, want: "replicas: 10 is not allowed: want 1 to 9"},
		{name: "a short window", change: func(o *Options) { o.Window = time.Millisecond }, want: "window: 1ms is not allowed: want 1s to 1m"},
		{name: "too many windows", change: func(o *Options) { o.Closed = 51 }, want: "closed: 51 is not allowed: want 0 to 50"},
		{name: "a plan without an SLO", change: func(o *Options) { o.Plan.SLO = nil }, want: "slo: want one objective or more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.change(&o)
			if err := o.validate(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// small is one stage, whose capacity nothing can meet.
const small = `name: small
stages: [{name: calm, changes: [nothing]}]
topology: {replicas: 1}
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api/1, weight: 1}]}
load:
  closed: {connections: 2, duration: 1s}
  open: {share: 0.5, connections: 4, duration: 1s}
profiles: {smoke: {}}
`

func TestCapacityIsSearchedAndReported(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "small.yaml")
	if err := os.WriteFile(file, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	rt := labtest.New()
	var said strings.Builder
	out, err := Run(t.Context(), Options{
		Config: session.Config{
			Profile: "smoke", Reports: dir, Existing: &session.Runtime{Runtime: rt, Name: "test"},
			Observer: session.Observers{session.NewConsole(&said), session.NewLiveLog(dir, func(text string) { t.Error(text) })},
		},
		File: file, Stage: "calm", Replicas: []int{1}, Window: time.Second, Closed: 1,
		Plan: Plan{SLO: slo.Objectives{slo.At(slo.P99, "", 0.001)}, From: 1500, To: 3000, Precision: 0.5, Confirms: 1},
	})
	if err != nil && !errors.Is(err, session.ErrInvalid) { // a busy machine may be too slow for it
		t.Fatal(err)
	}
	c := out.Result.Capacity
	if len(c) != 1 || c[0].Stage != "calm-1" || c[0].QPS != nil || len(c[0].Points) == 0 || len(c[0].Closed) != 1 {
		t.Errorf("capacity %+v", c)
	}
	if s := out.Result.Stages; len(s) == 1 && s[0].SLO != nil {
		t.Errorf("a closed loop is held to %+v", s[0].SLO)
	}
	if s := out.Result.Stages; len(s) != 1 || s[0].Name != "calm-1" || out.Result.Manifest.Stages["calm-1"].Nodes == nil {
		t.Errorf("stages %+v", s)
	}
	for _, want := range []string{"calm-1: no rate from 1500 requests/s on was within p99<=1us: ", "lab removed"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("nothing is said of %q in:\n%s", want, said.String())
		}
	}
	for _, name := range []string{follow.File, "logs/gateway-1.log", result.FileJSON} {
		if _, err := os.Stat(filepath.Join(out.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	if to, err := filepath.EvalSymlinks(filepath.Join(dir, "latest-capacity-calm")); err != nil || filepath.Base(to) != out.Result.RunID {
		t.Errorf("latest-capacity-calm is %q, error %v", to, err)
	}
}
