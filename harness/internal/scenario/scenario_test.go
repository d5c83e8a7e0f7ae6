package scenario_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

func load(t *testing.T, path string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func plan(t *testing.T, s *scenario.Scenario, profile string, stages ...string) []scenario.Stage {
	t.Helper()
	p, err := s.Plan(profile, stages...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func names(stages []scenario.Stage) string {
	var out []string
	for _, s := range stages {
		out = append(out, s.Name)
	}
	return strings.Join(out, " ")
}

func TestPlanChooses(t *testing.T) {
	s := load(t, "testdata/merge.yaml")
	for _, row := range []struct {
		say    string
		stages []string
		want   string
	}{
		{"none is every stage", nil, "first second third"},
		{"all is every stage", []string{"all"}, "first second third"},
		{"one", []string{"second"}, "second"},
		{"the file's order, whatever was asked", []string{"third", "first"}, "first third"},
		{"twice is once", []string{"first", "first"}, "first"},
		{"all besides others", []string{"first", "all"}, "first second third"},
	} {
		if got := names(plan(t, s, "quick", row.stages...)); got != row.want {
			t.Errorf("%s: got %s, want %s", row.say, got, row.want)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	s := load(t, "testdata/merge.yaml")
	for _, row := range []struct{ say, profile, stage, want string }{
		{"an unknown stage", "", "fourth", `testdata/merge.yaml: unknown stage "fourth": want one of first, second, third, all`},
		{"a misspelt stage", "", "secnd",
			`testdata/merge.yaml: unknown stage "secnd" (did you mean "second"?): want one of first, second, third, all`},
		{"an unknown profile", "slow", "all", `testdata/merge.yaml: unknown profile "slow": want one of quick`},
	} {
		if _, err := s.Plan(row.profile, row.stage); err == nil || err.Error() != row.want {
			t.Errorf("%s: got %v, want %s", row.say, err, row.want)
		}
	}
}

func TestOverlaysAreCumulative(t *testing.T) {
	p := plan(t, load(t, "testdata/merge.yaml"), "")
	first, second := p[0], p[1]
	third := p[2]

	wantNode := []scenario.Node{{CPUs: 1.5, Memory: 64 << 20}, {CPUs: 2, Memory: 64 << 20}, {CPUs: 2, Memory: 64 << 20}}
	for i, s := range p {
		if got := s.Topology.Nodes["gateway"]; !reflect.DeepEqual(got, wantNode[i]) {
			t.Errorf("%s: gateway %+v, want %+v", s.Name, got, wantNode[i])
		}
	}
	if _, ok := first.Topology.Nodes["lb"]; ok || third.Topology.Nodes["lb"].CPUs != 1 {
		t.Errorf("lb: first %v, third %v", first.Topology.Nodes, third.Topology.Nodes)
	}
	if want := map[string]string{"a": "1", "b": "true", "c": "0.25", "d": "text"}; !maps.Equal(first.Gateway, want) {
		t.Errorf("first: gateway %v, want %v", first.Gateway, want)
	}
	if want := map[string]string{"a": "1", "b": "false", "c": "0.25", "d": "text", "e": "5s"}; !maps.Equal(third.Gateway, want) {
		t.Errorf("third: gateway %v, want %v", third.Gateway, want)
	}
	if first.Topology.Replicas != 1 || third.Topology.Replicas != 3 || third.Topology.Links["postgres"].Latency != 2500*time.Microsecond {
		t.Errorf("topology: first %+v, third %+v", first.Topology, third.Topology)
	}
	if len(first.Faults) != 0 || len(second.Faults) != 1 || len(third.Faults) != 0 {
		t.Errorf("faults: %v %v %v", first.Faults, second.Faults, third.Faults)
	}
	if want := (scenario.Fault{Kind: "kill", Target: "redis", At: time.Second, RecoverAfter: time.Second}); second.Faults[0] != want {
		t.Errorf("fault %+v, want %+v", second.Faults[0], want)
	}
	if first.Seed != 7 || first.Origin.Seed != 7 || third.Seed != 8 || third.Origin.Seed != 8 {
		t.Errorf("seeds: first %d %d, third %d %d", first.Seed, first.Origin.Seed, third.Seed, third.Origin.Seed)
	}
	if !slices.Equal(first.Changes, []string{"nothing"}) || second.Changes != nil {
		t.Errorf("changes: %q %q", first.Changes, second.Changes)
	}
	if first.Published != nil || second.Published == nil || *second.Published != (scenario.Published{
		QPS: 200, P50Ms: 450, P99Ms: 1200, ErrorRate: 0.032, Availability: 0.995, Remark: "measured elsewhere"}) {
		t.Errorf("published: %v %+v", first.Published, second.Published)
	}
}

func TestOtherListsAreReplaced(t *testing.T) {
	s, err := scenario.Parse("x.yaml", []byte(`
name: x
workload: {requests: [{name: a, path: /a}, {name: b, path: /b}]}
load: {open: {rate: 10, duration: 5s}}
stages:
  - {name: one}
  - {name: two, workload: {requests: [{name: a, path: /c}]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, s, "")
	if one, two := p[0].Workload.Requests, p[1].Workload.Requests; len(one) != 2 || len(two) != 1 || two[0].Path != "/c" {
		t.Errorf("got %+v, then %+v", one, two)
	}
}

// TestEntitiesMergeByName compares with JSON, as the Admin API gets them.
func TestEntitiesMergeByName(t *testing.T) {
	p := plan(t, load(t, "testdata/merge.yaml"), "")
	for i, want := range []string{
		`{"consumers":[{"tags":["x"],"username":"ann"}],
		  "plugins":[{"config":{"hide_credentials":true,"key_names":["apikey"]},"name":"key-auth"},{"name":"prometheus"}],
		  "services":[{"name":"one","routes":[{"name":"r","paths":["/r"]}],"url":"http://origin:9000"},
		  {"name":"two","url":"http://origin:9000"}]}`,
		`{"consumers":[{"plugins":[{"config":{"second":5},"name":"rate-limiting"}],"tags":["x"],"username":"ann"},{"username":"bob"}],
		  "plugins":[{"config":{"key_names":["key"]},"name":"key-auth"},{"name":"prometheus"},{"config":{"cache_ttl":300},"name":"proxy-cache"}],
		  "services":[{"name":"one","plugins":[{"config":{"second":1},"name":"rate-limiting"}],
		    "routes":[{"name":"r","paths":["/s"]},{"name":"t","paths":["/t"]}],"url":"http://origin:9000"},
		    {"name":"two","url":"http://origin:9000"}]}`,
		`{"consumers":[{"plugins":[{"config":{"second":5},"name":"rate-limiting"}],"tags":["x"],"username":"ann"},{"username":"bob"}],
		  "plugins":[{"config":{"key_names":["key"]},"name":"key-auth"},{"name":"prometheus"},{"config":{"cache_ttl":300},"name":"proxy-cache"}],
		  "services":[{"name":"one","plugins":[{"config":{"minute":9},"name":"rate-limiting"}],
		    "routes":[{"name":"r","paths":["/s"]},{"name":"t","paths":["/t"]}],"url":"http://origin:9000"},
		    {"name":"two","url":"http://origin:9000"}]}`,
	} {
		var wanted any
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(p[i].Entities)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, wanted) {
			t.Errorf("%s: got %s, want %s", p[i].Name, b, want)
		}
	}
}

func TestProfileGoesOnTop(t *testing.T) {
	s := load(t, "testdata/merge.yaml")
	for _, row := range []struct {
		profile, stage string
		open           time.Duration
		rounds         int
		cpus           float64
		seed           uint64
	}{
		{stage: "first", open: 5 * time.Second, rounds: 1, cpus: 1.5, seed: 7},
		{profile: "quick", stage: "first", open: 3 * time.Second, rounds: 2, seed: 7},
		{profile: "quick", stage: "second", open: 3 * time.Second, rounds: 2, seed: 7}, // over the stage's own cpus: 2
		{profile: "quick", stage: "third", open: 4 * time.Second, rounds: 2, seed: 99}, // its own overlay in the profile
		{stage: "third", open: 5 * time.Second, rounds: 1, cpus: 2, seed: 8},
	} {
		st := plan(t, s, row.profile, row.stage)[0]
		if st.Load.Open.Duration != row.open || st.Rounds != row.rounds ||
			st.Topology.Nodes["gateway"].CPUs != row.cpus || st.Origin.Seed != row.seed {
			t.Errorf("%s under %q: open %s, rounds %d, cpus %v, origin's seed %d; want %+v", row.stage, row.profile,
				st.Load.Open.Duration, st.Rounds, st.Topology.Nodes["gateway"].CPUs, st.Origin.Seed, row)
		}
	}
}

// TestStagesShareNothing changes one plan and looks at the next.
func TestStagesShareNothing(t *testing.T) {
	s := load(t, "testdata/merge.yaml")
	one := plan(t, s, "")[1]
	one.Entities["plugins"].([]any)[0].(map[string]any)["name"] = "changed"
	one.Gateway["a"] = "changed"
	one.Published.QPS = 0
	two := plan(t, s, "")[1]
	name := two.Entities["plugins"].([]any)[0].(map[string]any)["name"]
	if name != "key-auth" || two.Gateway["a"] != "1" || two.Published.QPS != 200 {
		t.Errorf("a plan that was changed shows in the next: %v", two)
	}
}

func TestDefaults(t *testing.T) {
	s, err := scenario.Parse("x.yaml", []byte("name: x\nstages: [{name: one}]\n"+
		"workload: {requests: [{name: a, path: /}]}\nload: {open: {rate: 10, duration: 5s}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := plan(t, s, "")[0]
	want := scenario.Stage{
		Name: "one", Rounds: 1, Seed: 1,
		Topology: scenario.Topology{Replicas: 1, Balancers: 1, Origins: 1, Workers: 1, Nodes: map[string]scenario.Node{},
			Links: map[string]scenario.Link{}},
		Gateway:  map[string]string{},
		LB:       scenario.LB{Balance: "round_robin", MaxFails: 1, FailTimeout: 10 * time.Second},
		Origin:   scenario.Origin{Models: 100, BodyBytes: 1024, Seed: 1},
		Entities: map[string]any{},
		Workload: scenario.Workload{Requests: []scenario.Request{{Name: "a", Method: "GET", Path: "/", Weight: 1, Expect: []int{200}}}},
		Load: scenario.Attacks{
			Closed: scenario.Closed{Timeout: 10 * time.Second},
			Open:   scenario.Open{Rate: 10, Duration: 5 * time.Second, Timeout: 10 * time.Second, Arrivals: scenario.ArrivalsEven},
			Probe:  scenario.Probe{Timeout: time.Second},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]string{
		"64MiB": "64MiB", "1GiB": "1GiB", "1.5GiB": "1536MiB", "20MB": "20000000B", "65536k": "64MiB", "65536K": "64MiB",
		"256mib": "256MiB", "2g": "2GiB", "33554432": "32MiB", "0": "0B", "1TiB": "1TiB",
	} {
		s, err := scenario.Parse("x.yaml", []byte("name: x\nstages: [{name: one}]\ntopology: {nodes: {redis: {memory: "+text+"}}}\n"+
			"workload: {requests: [{name: a, path: /}]}\nload: {open: {rate: 10, duration: 5s}}\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := plan(t, s, "")[0].Topology.Nodes["redis"].Memory.String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestLoadSaysWhichFile(t *testing.T) {
	_, err := scenario.Load("testdata/absent.yaml")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "testdata/absent.yaml") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{
		"testdata/merge.yaml", "../../../scenarios/ladder.yaml", "testdata/invalid-workload.yaml",
		"testdata/invalid-entities.yaml", "testdata/invalid-anchor.yaml",
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := scenario.Parse("x.yaml", b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x.yaml:") {
				t.Errorf("no place: %v", err)
			}
			return
		}
		// What is taken can be planned, under every profile, and sent as JSON.
		for _, profile := range append(s.Profiles, "") {
			stages, err := s.Plan(profile)
			if err != nil || len(stages) != len(s.StageNames) {
				t.Fatalf("profile %q: %d of %d stages, %v", profile, len(stages), len(s.StageNames), err)
			}
			for _, st := range stages {
				if _, err := json.Marshal(st.Entities); err != nil {
					t.Fatalf("stage %s: %v", st.Name, err)
				}
			}
		}
	})
}

func TestSoakOfAStage(t *testing.T) {
	s, err := scenario.Parse("x.yaml", []byte(`name: x
workload: {requests: [{name: a, path: /}]}
soak: {latency: 0.5}
topology: {workers: 2}
load:
  open:
    rate: 100
    duration: 20s
    arrivals: poisson
stages:
  - name: soaked
`))
	if err != nil {
		t.Fatal(err)
	}
	soaked := plan(t, s, "", "soaked")[0]
	if soaked.Soak != (scenario.Soak{On: true, Memory: 0.1, Goroutines: 0.1, Latency: 0.5}) || soaked.Topology.Workers != 2 ||
		!soaked.Load.Open.Shaped() || len(soaked.Load.Open.Shape) != 0 {
		t.Errorf("soak %+v, %d workers, %+v", soaked.Soak, soaked.Topology.Workers, soaked.Load.Open)
	}
}

func TestSegmentsOfAShape(t *testing.T) {
	s, err := scenario.Parse("x.yaml", []byte(`name: x
workload: {requests: [{name: a, path: /}]}
load:
  open:
    rate: 100
    duration: 20s
    shape:
      - {for: 10s, level: 0.5}
      - {for: 6s, level: 0.5, to: 2, name: up, slo: "p99<1s, errors<1%"}
      - {for: 4s, level: 0}
stages: [{name: shaped}]
`))
	if err != nil {
		t.Fatal(err)
	}
	got := plan(t, s, "")[0].Load.Open
	if len(got.Shape) != 3 || got.Arrivals != scenario.ArrivalsEven {
		t.Fatalf("%+v", got)
	}
	first, up := got.Shape[0], got.Shape[1]
	last := got.Shape[2]
	if first.Name != "segment-1" || first.Level != 0.5 || first.To != 0.5 || first.For != 10*time.Second {
		t.Errorf("the first is %+v", first)
	}
	if up.Name != "up" || up.Level != 0.5 || up.To != 2 || up.SLO.String() != "p99<1s,errors<1%" || last.To != 0 {
		t.Errorf("then %+v and %+v", up, last)
	}
}
