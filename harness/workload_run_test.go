package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// imports are a file of each format, and the flags that it needs.
var imports = map[string][]string{
	"vegeta":       {"vegeta.txt"},
	"vegeta-json":  {"vegeta.jsonl"},
	"har":          {"browser.har"},
	"openapi-yaml": {"openapi.yaml"},
	"openapi-json": {"openapi.json"},
	"kong":         {"kong.jsonl"},
	"combined":     {"combined.log"},
	"caddy":        {"caddy.jsonl"},
	"curl":         {"commands.sh"},
	"csv":          {"users.csv", "--template", `POST /users/{id} {"name": "{name}"}`},
}

// What workload import writes, run measures: the requests of every format go through a real gateway to the origin and are answered. The
// scenario of one format is run with the requests of all others beside its own, so that one lab and one attack are enough.
func TestImportsRunInALab(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, Redis and nginx, and -short asks for tests without servers: run make test")
	}
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	work := t.TempDir()
	var requests []map[string]any
	for format, args := range imports {
		text, own := importedRequests(t, args)
		if format == "vegeta" {
			write(t, filepath.Join(work, "imported.yaml"), text)
		}
		for _, r := range own {
			r["name"], r["weight"] = format+"-"+r["name"].(string), 1
			requests = append(requests, r)
		}
	}
	b, err := yaml.Marshal(map[string]any{
		"name": "imports", "base": "imported.yaml", "stage": "baseline",
		"workload": map[string]any{"requests": requests},
		// A closed-loop attack finds the capacity, which is not the question here.
		"load": map[string]any{"closed": map[string]any{"connections": 0}, "open": map[string]any{"rate": 200, "duration": "2s"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "imports.yaml"), b)
	reports := t.TempDir()
	got := runProgram(t, filepath.Join(dir, "harness"), nil,
		"run", filepath.Join(work, "imports.yaml"), "--profile", "smoke", "--runtime", "host", "--reports", reports)
	if got.code == exitUnable || got.code == exitStopped {
		t.Fatalf("exit code %d\n%s\n%s", got.code, got.stderr, got.stdout)
	}
	r, err := result.Read(filepath.Join(onlyRun(t, reports), result.FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	if len(requests) < 20 || len(r.Stages) != 1 || len(r.Stages[0].Errors) > 0 {
		t.Fatalf("%d requests, %d stages, errors %v", len(requests), len(r.Stages), r.Stages[0].Errors)
	}
	for _, one := range requests {
		if o := r.Stages[0].Mix[one["name"].(string)]; o.Failed > 0 || o.Successes == 0 {
			t.Errorf("%s: %+v", one["name"], o)
		}
	}
}

// importedRequests imports a file of testdata: the scenario, and its requests as YAML has them.
func importedRequests(t *testing.T, args []string) ([]byte, []map[string]any) {
	t.Helper()
	args = append([]string{"workload", "import", filepath.Join("internal/workload/testdata", args[0])}, args[1:]...)
	got := runProgram(t, "", nil, args...)
	if got.code != exitOK {
		t.Fatalf("%q: exit code %d\n%s", args, got.code, got.stderr)
	}
	var file struct {
		Workload struct {
			Requests []map[string]any `yaml:"requests"`
		} `yaml:"workload"`
	}
	if err := yaml.Unmarshal([]byte(got.stdout), &file); err != nil {
		t.Fatal(err)
	}
	return []byte(got.stdout), file.Workload.Requests
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The counts go to standard error, so that standard output is the scenario alone; the scenario has them as well.
func TestImportFromStandardInput(t *testing.T) {
	var out, errs bytes.Buffer
	p := &Program{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }}
	root := p.command()
	root.SetArgs([]string{"workload", "import", "-"})
	root.SetIn(strings.NewReader("GET http://api.example/a\n"))
	root.SetOut(&out)
	root.SetErr(&errs)
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(errs.String()) {
		if !strings.Contains(out.String(), "# "+line) {
			t.Errorf("the scenario has no comment %q", line)
		}
	}
	if !strings.Contains(errs.String(), "read: 1, kept: 1") {
		t.Errorf("%q", errs.String())
	}
}
