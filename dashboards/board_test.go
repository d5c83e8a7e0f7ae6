package dashboards

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the generated dashboards")

func TestCommittedDashboardsAreWhatIsDefined(t *testing.T) {
	files := map[string]bool{}
	for _, b := range All() {
		want, err := b.JSON()
		if err != nil {
			t.Fatal(err)
		}
		name := b.UID + ".json"
		files[name] = true
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what its definition makes (%v): run go test ./dashboards -update", name, err)
		}
	}
	have, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range have {
		if !files[name] {
			t.Errorf("%s has no definition", name)
		}
	}
}

func TestEveryPanelHelps(t *testing.T) {
	runbook := regexp.MustCompile(`runbook ([A-Za-z0-9]+)`)
	for _, b := range All() {
		titles := map[string]bool{}
		for _, r := range b.Rows {
			for i := range r.Panels {
				p := &r.Panels[i]
				where := b.UID + ", " + p.Title
				if titles[p.Title] {
					t.Errorf("%s: title twice", where)
				}
				titles[p.Title] = true
				if p.Unit == "" {
					t.Errorf("%s: no unit", where)
				}
				if len(p.Help) < 60 {
					t.Errorf("%s: does not say what to do: %q", where, p.Help)
				}
				if len(p.Queries) == 0 {
					t.Errorf("%s: asks nothing", where)
				}
				for _, m := range runbook.FindAllStringSubmatch(p.Help, -1) {
					if m[1] == "applies" {
						continue
					}
					if _, err := os.Stat(filepath.Join("..", "alerts", "runbooks", m[1]+".md")); err != nil {
						t.Errorf("%s: %v", where, err)
					}
				}
			}
		}
	}
}

func TestEveryVariableIsUsedAndKnown(t *testing.T) {
	name := regexp.MustCompile(`\$([a-z]+)`)
	for _, b := range All() {
		known, used := map[string]bool{}, map[string]bool{}
		for _, v := range b.Variables {
			known[v.Name] = true
		}
		for _, e := range b.Expressions() {
			for _, m := range name.FindAllStringSubmatch(e, -1) {
				used[m[1]] = true
				if !known[m[1]] {
					t.Errorf("%s: $%s is no variable of the board: %s", b.UID, m[1], e)
				}
			}
		}
		for n := range known {
			if !used[n] {
				t.Errorf("%s: nothing uses $%s", b.UID, n)
			}
		}
	}
}

func TestPanelsDoNotOverlapAndHaveIDsOfTheirOwn(t *testing.T) {
	for _, b := range All() {
		text, err := b.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Panels []struct {
				ID  int
				Pos struct{ X, Y, W, H int } `json:"gridPos"`
			}
		}
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		taken, ids := map[[2]int]int{}, map[int]bool{}
		for _, p := range m.Panels {
			if ids[p.ID] || p.ID == 0 {
				t.Errorf("%s: id %d twice or zero", b.UID, p.ID)
			}
			ids[p.ID] = true
			for x := p.Pos.X; x < p.Pos.X+p.Pos.W; x++ {
				for y := p.Pos.Y; y < p.Pos.Y+p.Pos.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok || x >= columns {
						t.Fatalf("%s: panel %d at %d,%d lies on %d or outside", b.UID, p.ID, x, y, other)
					}
					taken[[2]int{x, y}] = p.ID
				}
			}
		}
	}
}

// promtool knows PromQL: each expression becomes a recording rule and is
// checked as one.
func TestExpressionsArePromQL(t *testing.T) {
	if testing.Short() {
		t.Skip("needs promtool, and -short asks for tests without other programs: run make test")
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v: run `make deps`", err)
	}
	var rules strings.Builder
	rules.WriteString("groups: [{name: all, rules: [\n")
	n := 0
	for _, b := range All() {
		for _, e := range b.Expressions() {
			if strings.HasPrefix(e, "label_values(") {
				e = strings.TrimPrefix(e[:strings.LastIndex(e, ",")], "label_values(")
			}
			n++
			fmt.Fprintf(&rules, "{record: x%d, expr: %q},\n", n, Concrete(e))
		}
	}
	rules.WriteString("]}]\n")
	file := filepath.Join(t.TempDir(), "all.rules.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
