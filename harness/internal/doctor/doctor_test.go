package doctor

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

func TestConclusionsSayWhatCannotBeConcluded(t *testing.T) {
	steal := 0.3
	for _, row := range []struct {
		name     string
		machine  machine
		want     []string
		warnings int
	}{
		{
			name: "a quiet machine",
			machine: machine{ceiling: 40_000, lagP99: 0.1, rate: 1000, metrics: []repeatability{
				{metric: "CPU per request", noise: stats.Noise{CV: 0.05, Pairs: 0.02}, measured: true, margin: 0.05},
				{metric: "p99", noise: stats.Noise{CV: 0.1, Pairs: 0.05}, measured: true, margin: 0.3, guard: true},
			}},
			want: []string{"passes", "reliable from 1.0 ms"},
		},
		{
			name: "a noisy one",
			machine: machine{ceiling: 2000, lagP99: 9, rate: 200, steal: &steal, metrics: []repeatability{
				{metric: "CPU per request", noise: stats.Noise{CV: 0.5, Pairs: 0.6}, measured: true, margin: 0.05},
				{metric: "p50", margin: 0.05},
				{metric: "p99", noise: stats.Noise{CV: 1, Pairs: 1}, measured: true, margin: 0.3, guard: true},
				{metric: "QPS", noise: stats.Noise{CV: 0.2, Pairs: 0.3}, measured: true},
			}},
			want: []string{
				"will often be INCONCLUSIVE", "p50: nothing can be concluded", "smaller rises go undetected and do not block a pass",
				"differences below 40%", "absolute latency: cannot be concluded",
			},
			warnings: 3,
		},
	} {
		said := strings.Join(row.machine.conclusions(), "\n")
		for _, want := range row.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: nothing of %q in\n%s", row.name, want, said)
			}
		}
		warnings := 0
		for _, f := range row.machine.findings() {
			if f.Level != OK {
				warnings++
				if f.Remedy == "" {
					t.Errorf("%s: %s without a remedy", row.name, f.Check)
				}
			}
		}
		if warnings != row.warnings {
			t.Errorf("%s: %d warnings, want %d", row.name, warnings, row.warnings)
		}
	}
}

func TestFailedChecksAreCounted(t *testing.T) {
	var said strings.Builder
	err := write(&said, []Finding{
		{Check: "cores", Level: OK, Found: "2", Remedy: "none is needed"},
		{Check: "wrk", Level: Warn, Found: "not found", Remedy: "make deps"},
		{Check: "docker", Level: Fail, Found: "no engine", Remedy: "start it"},
	})
	if !errors.Is(err, ErrChecks) || err.Error() != "1 of 3 checks failed" {
		t.Errorf("error %v", err)
	}
	want := `ok    cores          2
warn  wrk            not found
                     -> make deps
fail  docker         no engine
                     -> start it
`
	if said.String() != want {
		t.Errorf("got\n%s\nwant\n%s", said.String(), want)
	}
}

func TestAWorkerThatEndsAtOnceIsAnError(t *testing.T) {
	if _, err := startWorker(t.Context(), "/bin/false"); err == nil || !strings.Contains(err.Error(), "start a worker") {
		t.Errorf("error %v", err)
	}
}
