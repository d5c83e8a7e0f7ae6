package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestExportWithoutOptionsIsTheFiles(t *testing.T) {
	files, err := Export(Options{Job: Job, RunbookURL: Runbooks})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range files {
		want, err := Files.ReadFile(name)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs (%v)", name, err)
		}
	}
	if len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
}

// TestEveryThresholdIsInTheRules: each text that is replaced stands in a file, and the
// new number stands there afterwards.
func TestEveryThresholdIsInTheRules(t *testing.T) {
	whole := func(o Options) string {
		files, err := Export(o)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, name := range []string{"gateway.rules.yaml", "slo.rules.yaml", "recording.rules.yaml"} {
			b.Write(files[name])
		}
		return b.String()
	}
	before := whole(Options{})
	for _, th := range Thresholds() {
		t.Run(th.Name, func(t *testing.T) {
			after := whole(Options{Thresholds: map[string]float64{th.Name: 0.7}})
			for _, s := range th.swaps {
				if !strings.Contains(before, s.old) {
					t.Errorf("%q is in no file", s.old)
				}
				if strings.Contains(after, s.old) || !strings.Contains(after, s.new(0.7)) {
					t.Errorf("%q is not replaced by %q", s.old, s.new(0.7))
				}
			}
			if got := whole(Options{Thresholds: map[string]float64{th.Name: th.Default}}); got != before {
				t.Errorf("the default is not what the files have")
			}
		})
	}
}

// TestExportedRulesAreAccepted asks Prometheus's own checker.
func TestExportedRulesAreAccepted(t *testing.T) {
	if testing.Short() {
		t.Skip("needs promtool, and -short asks for tests without other programs: run make test")
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v: make deps installs it", err)
	}
	o := Options{
		Job: "edge/gateway", RunbookURL: "https://runbooks.example.com/gw",
		Thresholds: map[string]float64{"availability": 0.995, "error-ratio": 0.05, "p99-seconds": 1.5},
	}
	files, err := Export(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	text := string(files["gateway.rules.yaml"]) + string(files["slo.rules.yaml"])
	for _, want := range []string{
		`up{job="edge/gateway"} == 0`, "runbook_url: https://runbooks.example.com/gw/GatewayReplicaDown.md", "rate5m > 0.05",
		"more than 5% of", "p99_5m > 1.5", "above 1500 ms", "14.4 * 0.005", "allows 0.5%",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, not := range []string{`job="gateway"`, Runbooks} {
		if strings.Contains(text, not) {
			t.Errorf("%q is still there", not)
		}
	}
}

func TestPrometheusRule(t *testing.T) {
	b, err := PrometheusRule(Options{}, "gatelab", "monitoring", map[string]string{"release": "kube-prometheus-stack"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind     string
		Metadata struct {
			Name, Namespace string
			Labels          map[string]string
		}
		Spec file
	}
	if err := yaml.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range got.Spec.Groups {
		n += len(g.Rules)
	}
	rules, err := Rules()
	if err != nil {
		t.Fatal(err)
	}
	if got.Kind != "PrometheusRule" || got.Metadata.Labels["release"] != "kube-prometheus-stack" || n != len(rules) {
		t.Errorf("kind %s, labels %v, %d rules of %d", got.Kind, got.Metadata.Labels, n, len(rules))
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	_, err := Export(Options{
		Job: `x"} or vector(1)`, RunbookURL: "a b", Thresholds: map[string]float64{"availability": 1.5, "error-rate": 0.1},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"job", "runbook URL", "availability=1.5", `did you mean "error-ratio"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}
