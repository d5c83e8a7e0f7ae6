package stage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
)

const ladderFile = "../../../scenarios/ladder.yaml"

// scenarioFile is a scenario with a name and stages of the given names.
func scenarioFile(t *testing.T, name string, stages ...string) string {
	t.Helper()
	text := "name: " + name + `
topology: {replicas: 1}
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api, weight: 1}]}
load: {closed: {connections: 2, duration: 1s}}
profiles: {full: {}}
stages:
`
	for _, s := range stages {
		text += "  - {name: " + s + ", changes: [nothing]}\n"
	}
	path := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadNamesTheRun(t *testing.T) {
	several, one := scenarioFile(t, "several", "first", "second", "third"), scenarioFile(t, "single", "only")
	for _, c := range []struct {
		name   string
		file   string
		chosen []string
		run    string
		stages []string
	}{
		{name: "one stage", file: several, chosen: []string{"second"}, run: "second", stages: []string{"second"}},
		{name: "several stages", file: several, chosen: []string{"first", "third"}, run: "several", stages: []string{"first", "third"}},
		{name: "no names", file: several, run: scenario.All, stages: []string{"first", "second", "third"}},
		{name: "all", file: several, chosen: []string{scenario.All}, run: scenario.All, stages: []string{"first", "second", "third"}},
		{name: "all of a scenario of one stage", file: one, run: "single", stages: []string{"only"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Load(c.file, "full", c.chosen...)
			if err != nil {
				t.Fatal(err)
			}
			if p.Name != c.run || !slices.Equal(p.Names(), c.stages) {
				t.Errorf("run %q of stages %q, want %q of %q", p.Name, p.Names(), c.run, c.stages)
			}
		})
	}
}

func TestLoadRefusesWhatTheScenarioHasNot(t *testing.T) {
	file := scenarioFile(t, "several", "first", "second")
	for _, c := range []struct {
		name    string
		profile string
		chosen  []string
		want    string
	}{
		{name: "an unknown stage", profile: "full", chosen: []string{"fourth"}, want: "fourth"},
		{name: "an unknown profile", profile: "huge", want: "huge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Load(file, c.profile, c.chosen...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that names %q", err, c.want)
			}
		})
	}
	if _, err := Load("no-such-file.yaml", "full"); err == nil {
		t.Error("a file that is not there was loaded")
	}
}

func TestConsumersOfOneNameAreJoined(t *testing.T) {
	got := merged([]any{
		map[string]any{"username": "flood-1", "plugins": []any{"p"}},
		map[string]any{"username": "steady-1"},
		map[string]any{"username": "flood-1", "keyauth_credentials": []any{"k"}},
	})
	if len(got) != 2 {
		t.Fatalf("got %v", got)
	}
	one := got[0].(map[string]any)
	if one["plugins"] == nil || one["keyauth_credentials"] == nil {
		t.Errorf("joined to %v", one)
	}
}

// What lies behind a link is named by the link's address, and the scenario's own entities stay as they are.
func TestEntitiesNameAddressesOfTheLab(t *testing.T) {
	l := lab.New(nil, lab.Options{Layout: lab.Layout{Addr: func(node string, _ int) string {
		return "127.0.0.1:" + map[string]string{"redis": "11", "origin": "12"}[node]
	}}})
	redis := map[string]any{"host": "redis", "port": int64(6379)}
	s := &scenario.Stage{
		Entities: map[string]any{
			"services": []any{map[string]any{"name": "api", "url": "http://origin:9000/v1"}},
			"plugins":  []any{map[string]any{"name": "proxy-cache", "config": map[string]any{"redis": redis}}},
		},
		Workload: scenario.Workload{Consumers: []scenario.ConsumerGroup{{Name: "steady", Count: 2}}},
	}
	got := Entities(s, l)
	if url := got["services"].([]any)[0].(map[string]any)["url"]; url != "http://127.0.0.1:12/v1" {
		t.Errorf("the service's url is %v", url)
	}
	config := got["plugins"].([]any)[0].(map[string]any)["config"].(map[string]any)
	if r := config["redis"].(map[string]any); r["host"] != "127.0.0.1" || r["port"] != int64(11) {
		t.Errorf("redis is at %v", r)
	}
	consumers := got["consumers"].([]any)
	if len(consumers) != 2 || consumers[1].(map[string]any)["username"] != "steady-2" {
		t.Errorf("consumers %v", consumers)
	}
	if s.Entities["consumers"] != nil || s.Entities["services"].([]any)[0].(map[string]any)["url"] != "http://origin:9000/v1" {
		t.Errorf("the scenario's own entities were changed: %v", s.Entities)
	}
}

// A tracing is a plugin of all services, with the collector's address in this lab. So is the address in a plugin of the scenario's own.
func TestEntitiesOfATracedStage(t *testing.T) {
	l := lab.New(nil, lab.Options{Layout: lab.Layout{Addr: func(node string, _ int) string {
		return "127.0.0.1:" + map[string]string{"redis": "11", "origin": "12", "collector": "13"}[node]
	}}})
	own := map[string]any{"name": "opentelemetry", "config": map[string]any{"endpoint": "http://collector:4318/v1/traces"}}
	s := &scenario.Stage{Entities: map[string]any{
		"services": []any{map[string]any{"name": "api", "url": "http://origin:9000", "plugins": []any{own}}},
		"plugins":  []any{map[string]any{"name": "prometheus"}},
	}}
	s.Topology.Tracing = scenario.Tracing{On: true, Sample: 0.25}
	if !Topology(s).Collector {
		t.Error("the lab has no collector")
	}
	got := Entities(s, l)
	plugins := got["plugins"].([]any)
	if len(plugins) != 2 || len(s.Entities["plugins"].([]any)) != 1 {
		t.Fatalf("plugins %v of %v", plugins, s.Entities["plugins"])
	}
	p := plugins[1].(map[string]any)
	config := p["config"].(map[string]any)
	const url = "http://127.0.0.1:13/v1/traces"
	if p["name"] != "opentelemetry" || config["endpoint"] != url || config["sampling_rate"] != 0.25 {
		t.Errorf("plugin %v", p)
	}
	mine := got["services"].([]any)[0].(map[string]any)["plugins"].([]any)[0].(map[string]any)
	if at := mine["config"].(map[string]any)["endpoint"]; at != url {
		t.Errorf("the service's own plugin sends to %v", at)
	}
	s.Topology.Tracing.On = false
	if n := len(Entities(s, l)["plugins"].([]any)); n != 1 || Topology(s).Collector {
		t.Errorf("%d plugins without a tracing", n)
	}
}

func TestAttacksFollowTheStage(t *testing.T) {
	plan, err := Load(ladderFile, "smoke", "multi")
	if err != nil {
		t.Fatal(err)
	}
	st := &plan.Stages[0]
	st.Load.Open.Rate = 123
	s := &session.Session{Lab: lab.New(nil, lab.Options{})}
	closed, open := Workload(s, st, load.Closed, 2), Workload(s, st, load.Open, 2)
	for _, a := range []load.Attack{closed, open} {
		if err := a.Validate(); err != nil {
			t.Errorf("%s: %v", a.ID, err)
		}
		if a.Target != "http://lb:8000" || a.Seed != st.Seed+2 || a.SampleEvery != session.HashEvery ||
			len(a.Requests) != len(st.Workload.Requests) {
			t.Errorf("attack %+v", a)
		}
		if keys := a.Consumers[0].Keys; len(keys) != st.Workload.Consumers[0].Count || keys[0] != ConsumerKey(st.Workload.Consumers[0].Name, 1) {
			t.Errorf("%s: keys %q", a.ID, keys)
		}
	}
	if closed.ID != "multi-closed-2" || closed.Connections != st.Load.Closed.Connections ||
		closed.Duration != st.Load.Closed.Duration || closed.Rate != 0 {
		t.Errorf("closed loop %+v", closed)
	}
	if open.ID != "multi-open-2" || open.Rate != 123 || open.Duration != st.Load.Open.Duration ||
		open.Connections != st.Load.Open.Connections {
		t.Errorf("open loop %+v", open)
	}
}

func TestCutNamesEachRoleOnce(t *testing.T) {
	stages := []scenario.Stage{
		{Faults: []scenario.Fault{{Kind: fault.KindCutOff, Target: "gateway-2"}, {Kind: fault.KindKill, Target: "redis"}}},
		{
			Faults: []scenario.Fault{{Kind: fault.KindCutOff, Target: "gateway-1"}},
			Random: scenario.Random{Faults: []scenario.Fault{{Kind: fault.KindCutOff, Role: "redis"}}},
		},
	}
	if got := Cut(stages); !slices.Equal(got, []string{"gateway", "redis"}) {
		t.Errorf("roles %q", got)
	}
	if got := Cut(stages[:0]); got != nil {
		t.Errorf("roles %q of no stage", got)
	}
}

func TestDrainsFindsTheFault(t *testing.T) {
	drain := scenario.Fault{Kind: fault.KindDrain, Target: "gateway-2"}
	for _, row := range []struct {
		name  string
		stage scenario.Stage
		want  bool
	}{
		{name: "scheduled", stage: scenario.Stage{Faults: []scenario.Fault{{Kind: fault.KindKill}, drain}}, want: true},
		{name: "random", stage: scenario.Stage{Random: scenario.Random{Faults: []scenario.Fault{drain}}}, want: true},
		{name: "none", stage: scenario.Stage{Faults: []scenario.Fault{{Kind: fault.KindKill}}}},
	} {
		if got := Drains([]scenario.Stage{{}, row.stage}); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

func TestTopologyLetsTheWorkerReachWhatIsProbed(t *testing.T) {
	s := &scenario.Stage{
		Topology: scenario.Topology{Replicas: 2, Balancers: 2},
		Faults:   []scenario.Fault{{Kind: fault.KindDiskFull, Target: "postgres"}},
	}
	s.Load.Probe.DirectRate = 5
	got := Topology(s)
	for _, name := range []string{"lb", "lb-2", "origin", "link", "gateway-1", "gateway-2"} {
		if !slices.Contains(got.Worker, "--allow-target="+name) {
			t.Errorf("the worker may not reach %s: %q", name, got.Worker)
		}
	}
	if !got.SmallDisk {
		t.Error("a disk that is to be filled is not a small one")
	}
	if plain := Topology(&scenario.Stage{}); plain.SmallDisk || plain.Edge != nil {
		t.Errorf("topology of an empty stage %+v", plain)
	}
}

func TestEdgeHasAWayForEachCountry(t *testing.T) {
	ms := func(n int) scenario.Link { return scenario.Link{Latency: time.Duration(n) * time.Millisecond} }
	s := &scenario.Stage{Edge: scenario.Edge{Origin: ms(33), Countries: []scenario.Country{
		{Name: "cn", Code: "CN", Direct: ms(55), Near: ms(22)}, {Name: "others", Code: "DE", Direct: ms(36), Near: ms(3)},
	}}}
	if e := Topology(s).Edge; e == nil || len(e.Ways) != 2 || e.Ways[1].Near.Latency != 3*time.Millisecond ||
		e.Origin.Latency != 33*time.Millisecond {
		t.Errorf("edge %+v", e)
	}
	want := map[string]string{
		"edge to balancer": "33ms each way", "cn to balancer": "55ms each way", "cn to edge": "22ms each way",
		"others to balancer": "36ms each way", "others to edge": "3ms each way",
	}
	in := &session.Session{Lab: lab.New(nil, lab.Options{}), Result: &result.Result{}}
	Describe(in, s)
	got := in.Result.Manifest.Stages[""].Links
	for way, delay := range want {
		if got[way] != delay {
			t.Errorf("%s: %q, want %q", way, got[way], delay)
		}
	}
}

// A manifest is published: keys of consumers are not in it.
func TestManifestHoldsNoCredentials(t *testing.T) {
	st := &scenario.Stage{Name: "cache", Entities: map[string]any{"consumers": []any{
		map[string]any{"username": "flood-1", "keyauth_credentials": []any{map[string]any{"key": "secret"}}},
	}}}
	s := &session.Session{Lab: lab.New(nil, lab.Options{}), Result: &result.Result{}}
	Describe(s, st)
	got := s.Result.Manifest.Stages["cache"].Entities["consumers"].([]any)[0].(map[string]any)
	if got["username"] != "flood-1" || got["keyauth_credentials"] != nil {
		t.Errorf("the manifest has %v", got)
	}
	if own := st.Entities["consumers"].([]any)[0].(map[string]any); own["keyauth_credentials"] == nil {
		t.Error("the scenario lost its credentials")
	}
}
