package alerting

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/alerts"
)

func TestScaleShortensWhatWaits(t *testing.T) {
	in := `
    interval: 15s
      - expr: rate(x[1h]) > avg_over_time(y[6h] offset 10m) and rate(z{le="5m"}[5m]) > 14.4 / (5 * 60) unless x offset 4m
        for: 2m
`
	want := `
    interval: 1s
      - expr: rate(x[1m]) > avg_over_time(y[6m] offset 10s) and rate(z{le="5m"}[5s]) > 14.4 / (5) unless x offset 5s
        for: 2s
`
	got, err := Scale{Factor: 60, Scrape: time.Second}.Rules([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	same, err := Scale{Factor: 1, Scrape: time.Second}.Rules([]byte(in))
	if err != nil || string(same) != in {
		t.Errorf("factor 1 changed the rules: %s, %v", same, err)
	}
	if _, err := (Scale{Factor: 0.5, Scrape: time.Second}).Rules(nil); err == nil || !strings.Contains(err.Error(), "factor 0.5") {
		t.Errorf("error %v", err)
	}
}

func TestScaledRulesAreStillRules(t *testing.T) {
	if testing.Short() {
		t.Skip("needs promtool, and -short asks for tests without other programs: run make test")
	}
	names, err := fs.Glob(alerts.Files, "*.rules.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := alerts.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		scaled, err := Scale{Factor: 240, Scrape: time.Second}.Rules(text)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, scaled, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		for _, long := range []string{"[6h]", "[1h]", "for: 15m", "offset 10m"} {
			if strings.Contains(string(scaled), long) {
				t.Errorf("%s still has %s", name, long)
			}
		}
	}
}
