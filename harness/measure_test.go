package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// fakeGrafana stands for a Grafana, of which it knows no more than that it is healthy and keeps annotations.
type fakeGrafana struct {
	*httptest.Server
	mu    sync.Mutex
	tags  []string // of all annotations
	texts []string
}

func newFakeGrafana(t *testing.T) *fakeGrafana {
	t.Helper()
	f := &fakeGrafana{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"database": "ok", "version": "12.0.0"}`))
	})
	mux.HandleFunc("POST /api/annotations", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Text string   `json:"text"`
			Tags []string `json:"tags"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Authorization") != "Bearer a-token" {
			http.Error(w, `{"message": "bad request"}`, http.StatusBadRequest)
			return
		}
		f.mu.Lock()
		f.texts, f.tags = append(f.texts, body.Text), append(f.tags, body.Tags...)
		f.mu.Unlock()
		w.Write([]byte(`{"message": "Annotation added", "id": 1}`))
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// measurement is one command that measures, and the traces that it must leave.
type measurement struct {
	name  string
	args  []string // SERVICE stands for a program that is not ours
	nodes []string // whose logs are kept, among others
	tags  []string // of annotations, among others
	live  []string // kinds of events in the live log, among others
	said  string   // on standard output
}

var measurements = []measurement{
	{
		name: "run", args: []string{"run", "testdata/measure/tiny.yaml"},
		nodes: []string{"gateway-1", "postgres"}, tags: []string{"stage"}, live: []string{follow.Attack},
	},
	{
		name: "chaos", args: []string{"chaos", "pause-gateway", "--scenarios", "testdata/measure"},
		nodes: []string{"gateway-1", "postgres"}, tags: []string{"stage", "fault"}, live: []string{follow.Attack, follow.Fault},
	},
	{
		name: "chaos regions", args: []string{"chaos", "testdata/measure/regions.yaml"},
		nodes: []string{"gateway-1", "gateway-2", "redis-2", "lb-2"}, tags: []string{"stage", "fault"},
		live: []string{follow.Attack, follow.Fault}, said: "admitted by all regions together in the fullest window",
	},
	{
		name: "capacity",
		args: []string{
			"capacity", "testdata/measure/tiny.yaml", "--stage", "only", "--replicas", "1", "--closed", "1",
			"--from", "1000", "--to", "1500", "--precision", "0.5", "--confirms", "1", "--window", "1s", "--slo", "p99<2s,errors<50%",
		},
		nodes: []string{"gateway-1", "postgres"}, tags: []string{"stage", "verdict"}, live: []string{follow.Attack},
	},
	{
		name: "scale redis", args: []string{"scale", "redis", "testdata/measure/scale.yaml", "--window", "1s", "--depths", "4"},
		nodes: []string{"gateway-1", "redis"}, tags: []string{"stage"}, live: []string{follow.Attack},
		said: "What one Redis carries",
	},
	{
		name: "scale postgres", args: []string{"scale", "postgres", "--watchers", "1,3", "--changes", "2"},
		nodes: []string{"postgres"}, tags: []string{"stage"}, live: []string{follow.Step},
		said: "How a change reaches clients that LISTEN",
	},
	{
		name:  "gate",
		args:  []string{"gate", "testdata/measure/gate.yaml", "--max-rounds", "8", "--profiles=false"},
		nodes: []string{"gateway-1", "gateway-2", "gateway-3"}, tags: []string{"stage", "verdict"}, live: []string{follow.Attack},
		said: "gate: ",
	},
	{
		name:  "compare",
		args:  []string{"compare", "testdata/measure/policies.yaml", "--with", "nginx"},
		nodes: []string{"gatelab"}, tags: []string{"stage"}, live: []string{follow.Attack},
		said: "nginx Plus",
	},
	{
		name: "compare own services",
		args: []string{
			"compare", "testdata/measure/policies.yaml", "--policy", "plain", "--reference", "mine",
			"--command", "mine=SERVICE {listen} {origin} 1", "--command", "other=SERVICE {listen} {origin} 1",
		},
		nodes: []string{"mine", "other"}, tags: []string{"stage"}, live: []string{follow.Attack},
		said: "other",
	},
	{
		name: "gate of a service",
		args: []string{
			"gate", "--workload", "testdata/measure/service.yaml", "--max-rounds", "9",
			"--base-command", "SERVICE {listen} {origin} 1", "--head-command", "SERVICE {listen} {origin} 1",
		},
		nodes: []string{"base", "head"}, tags: []string{"stage", "verdict"}, live: []string{follow.Attack},
		said: "documents cpu_us_per_request",
	},
	{
		name: "chaos alert-drill",
		args: []string{
			"chaos", "alert-drill", "--scenarios", "testdata/measure", "--alert", "ConfigurationRejected",
		},
		nodes: []string{"gateway-1", "gateway-2"}, tags: []string{"stage", "verdict"}, live: []string{follow.Attack},
		said: "ConfigurationRejected",
	},
}

// Every command that measures keeps the logs of its nodes, writes a live log, and marks what happens in Grafana: with a real lab of
// processes, the smallest scenarios, and a fake Grafana.
func TestEveryMeasuringCommandLeavesItsTraces(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, Redis and nginx, and -short asks for tests without servers: run make test")
	}
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	service, err := filepath.Abs("testdata/measure/nginx-service.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range measurements {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel() // most of the time they wait
			grafana := newFakeGrafana(t)
			reports := t.TempDir()
			env := map[string]string{"GRAFANA_URL": grafana.URL, "GRAFANA_TOKEN": "a-token"}
			args := append(slices.Clone(row.args), "--runtime", "host", "--reports", reports)
			for i, arg := range args {
				args[i] = strings.ReplaceAll(arg, "SERVICE", service)
			}
			got := runProgram(t, filepath.Join(dir, "harness"), env, args...)
			// On a busy machine figures may not be valid, and a gate inconclusive: this test is not about them.
			if got.code == exitUnable || got.code == exitStopped {
				t.Fatalf("exit code %d\n%s\n%s", got.code, got.stderr, got.stdout)
			}
			if !strings.Contains(got.stdout, "report: "+reports) || !strings.Contains(got.stdout, row.said) {
				t.Errorf("standard output without a report, or without %q:\n%s", row.said, got.stdout)
			}
			run := onlyRun(t, reports)
			checkResult(t, run)
			checkLiveLog(t, run, row.live)
			checkLogs(t, run, row.nodes)
			checkAnnotations(t, grafana, row.tags)
		})
	}
}

// onlyRun is the folder of the one run in a reports folder.
func onlyRun(t *testing.T, reports string) string {
	t.Helper()
	runs, err := filepath.Glob(filepath.Join(reports, "runs", "*"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("runs %v, %v: want one", runs, err)
	}
	return runs[0]
}

func checkResult(t *testing.T, run string) {
	t.Helper()
	r, err := result.Read(filepath.Join(run, result.FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	for _, why := range r.InvalidReasons {
		if strings.Contains(why, "incomplete") {
			t.Errorf("the run broke off: %s", why)
		}
	}
	for key, what := range r.Manifest.Runtime {
		if strings.HasPrefix(key, "standin_") {
			t.Errorf("%s: want the real program; run make deps", what)
		}
	}
}

func checkLiveLog(t *testing.T, run string, want []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(run, follow.File))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(string(b)) {
		var e follow.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		kinds = append(kinds, e.Kind)
	}
	if len(kinds) == 0 || kinds[0] != follow.Begin || kinds[len(kinds)-1] != follow.End {
		t.Errorf("live log %v: want it from begin to end", kinds)
	}
	for _, kind := range append(want, follow.Step) {
		if !slices.Contains(kinds, kind) {
			t.Errorf("live log %v without %s", kinds, kind)
		}
	}
}

func checkLogs(t *testing.T, run string, nodes []string) {
	t.Helper()
	for _, node := range nodes {
		if b, err := os.ReadFile(filepath.Join(run, "logs", node+".log")); err != nil || len(b) < 2 {
			t.Errorf("log of %s: %d bytes, %v", node, len(b), err)
		}
	}
}

func checkAnnotations(t *testing.T, f *fakeGrafana, tags []string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, tag := range append(tags, "gatelab") {
		if !slices.Contains(f.tags, tag) {
			t.Errorf("no annotation with the tag %s among %q", tag, f.texts)
		}
	}
}
