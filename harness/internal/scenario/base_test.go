package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const under = `name: under
workload: {requests: [{name: a, path: /}]}
load: {open: {rate: 10, duration: 30s}}
stages:
  - {name: first, gateway: {lookup: database}}
  - {name: second, topology: {replicas: 3}}
profiles:
  smoke: {load: {open: {duration: 8s}}}
`

// TestBaseLiesUnderneath: the base's stage under the same profile, then the
// file, then the file's own profile.
func TestBaseLiesUnderneath(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"under.yaml": under,
		"over.yaml": `name: over
base: under.yaml
stage: second
changes: [one thing]
faults: [{kind: kill, role: gateway, at: 1s, recover_after: 1s}]
profiles:
  long: {load: {open: {duration: 2m}}}
`,
		"top.yaml": "name: top\nbase: over.yaml\ngateway: {lookup: snapshot}\n",
	})
	s := load(t, filepath.Join(dir, "top.yaml"))
	for profile, want := range map[string]string{"": "30s", "smoke": "8s", "long": "2m0s"} {
		one := plan(t, s, profile)[0]
		if one.Name != "top" || one.Topology.Replicas != 3 || len(one.Faults) != 1 || one.Gateway["lookup"] != "snapshot" {
			t.Errorf("%s: %+v", profile, one)
		}
		if got := one.Load.Open.Duration.String(); got != want {
			t.Errorf("%s: for %s, want %s", profile, got, want)
		}
	}
	if got := plan(t, load(t, filepath.Join(dir, "over.yaml")), "")[0].Changes; len(got) != 1 || got[0] != "one thing" {
		t.Errorf("changes %v", got)
	}
}

func TestBaseRefuses(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"under.yaml":   under,
		"broken.yaml":  strings.Replace(under, "replicas: 3", "replicas: 30", 1),
		"on-bad.yaml":  "name: x\nbase: broken.yaml\nstage: second\n",
		"nostage.yaml": "name: x\nbase: under.yaml\n",
		"typo.yaml":    "name: x\nbase: under.yaml\nstage: third\n",
		"gone.yaml":    "name: x\nbase: nowhere.yaml\n",
		"self.yaml":    "name: x\nbase: self.yaml\n",
		"clash.yaml":   "name: x\nbase: under.yaml\nstage: second\nfaults: [{kind: kill, target: gateway-4, at: 1s, recover_after: 1s}]\n",
		"number.yaml":  "name: x\nbase: 7\n",
	})
	for file, want := range map[string]string{
		"on-bad.yaml":  "broken.yaml:6:41: stages[1].topology.replicas: 30 is not allowed",
		"nostage.yaml": `nostage.yaml:2:7: stage: "" is not allowed: want one of the base's stages: first, second`,
		"typo.yaml":    `typo.yaml:3:8: stage: "third" is not allowed: want one of the base's stages: first, second`,
		"gone.yaml":    "gone.yaml: base: open",
		"self.yaml":    "more than 4 bases",
		"clash.yaml":   `clash.yaml:4:31: faults[0].target: "gateway-4" is not allowed`,
		"number.yaml":  "number.yaml:2:7: base: 7 is not allowed: want a file's name",
	} {
		_, err := scenario.Load(filepath.Join(dir, file))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", file, err, want)
		}
	}
}
