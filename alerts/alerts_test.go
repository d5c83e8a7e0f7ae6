package alerts

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

type cases struct {
	Tests []struct {
		Name  string `yaml:"name"`
		Input []any  `yaml:"input_series"`
		Tests []struct {
			At    string `yaml:"eval_time"`
			Alert string `yaml:"alertname"`
			Want  []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

func alertRules(t *testing.T) []Rule {
	t.Helper()
	rules, err := Rules()
	if err != nil {
		t.Fatal(err)
	}
	var out []Rule
	for _, r := range rules {
		if r.Alert != "" {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		t.Fatal("no alert was read")
	}
	return out
}

func TestEveryAlertSaysWhatIsNeeded(t *testing.T) {
	for _, r := range alertRules(t) {
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q: want critical or warning", r.Alert, s)
		}
		for _, name := range []string{"summary", "description"} {
			if len(r.Annotations[name]) < 10 {
				t.Errorf("%s: annotation %s is missing or too short: %q", r.Alert, name, r.Annotations[name])
			}
		}
		if got, want := r.Annotations["runbook_url"], "alerts/runbooks/"+r.Alert+".md"; got != want {
			t.Errorf("%s: runbook_url %q: want %q", r.Alert, got, want)
		}
	}
}

func TestEveryAlertHasARunbook(t *testing.T) {
	known := map[string]bool{}
	link := regexp.MustCompile(`\]\(([A-Za-z]+\.md)\)`)
	for _, r := range alertRules(t) {
		known[r.Alert+".md"] = true
		page, err := os.ReadFile(filepath.Join("runbooks", r.Alert+".md"))
		if err != nil {
			t.Errorf("%s: %v", r.Alert, err)
			continue
		}
		for _, heading := range []string{"# " + r.Alert, "## Check first", "## Causes and what to do", "## Resolves when"} {
			if !strings.Contains(string(page), heading+"\n") {
				t.Errorf("runbook of %s: no heading %q", r.Alert, heading)
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(page), -1) {
			if _, err := os.Stat(filepath.Join("runbooks", m[1])); err != nil {
				t.Errorf("runbook of %s: dead link: %v", r.Alert, err)
			}
		}
	}
	pages, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if !known[filepath.Base(p)] {
			t.Errorf("%s is the runbook of no alert", p)
		}
	}
}

// Every alert has a case in which it fires, one in which it stays silent though
// there is data, and one in which it fires and is gone later.
func TestEveryAlertHasAllKindsOfCases(t *testing.T) {
	for _, r := range alertRules(t) {
		text, err := os.ReadFile(filepath.Join("tests", r.Alert+".test.yaml"))
		if err != nil {
			t.Errorf("%s: %v", r.Alert, err)
			continue
		}
		var c cases
		if err := yaml.Unmarshal(text, &c); err != nil {
			t.Errorf("%s: %v", r.Alert, err)
			continue
		}
		var fires, silent, resolves bool
		for _, test := range c.Tests {
			seen := 0
			fired, goneAfter := false, false
			for _, at := range test.Tests {
				if at.Alert != r.Alert {
					continue
				}
				seen++
				goneAfter = fired && len(at.Want) == 0
				fired = fired || len(at.Want) > 0
			}
			if seen == 0 || len(test.Input) == 0 {
				t.Errorf("%s: case %q asks nothing of this alert", r.Alert, test.Name)
			}
			fires = fires || fired && !goneAfter
			silent = silent || !fired
			resolves = resolves || goneAfter
		}
		if !fires || !silent || !resolves {
			t.Errorf("%s: fires %v, stays silent %v, resolves %v: want a case of each", r.Alert, fires, silent, resolves)
		}
	}
}

func TestPromtoolAgrees(t *testing.T) {
	if testing.Short() {
		t.Skip("needs promtool, and -short asks for tests without other programs: run make test")
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v: run `make deps`", err)
	}
	for _, args := range [][]string{
		append([]string{"check", "rules"}, glob(t, "*.rules.yaml")...),
		append([]string{"test", "rules"}, glob(t, "tests/*.test.yaml")...),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		out, err := exec.CommandContext(ctx, promtool, args...).CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	return names
}
