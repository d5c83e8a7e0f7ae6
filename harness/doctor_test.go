package main

import (
	"strings"
	"testing"

	"gatelab/harness/internal/gate"
)

func TestTheDoctorSaysWhatCannotBeConcluded(t *testing.T) {
	steal := 0.3
	for _, row := range []struct {
		why   string
		m     measuredMachine
		wants []string
		notes int
	}{
		{"a quiet machine", measuredMachine{ceiling: 40_000, lagP99: 0.1, rate: 1000, cpu: gate.Noise{CV: 0.05, Pairs: 0.02}, p99: gate.Noise{CV: 0.1, Pairs: 0.05}, cpuOK: true, p99OK: true},
			[]string{"passes", "to be believed from 1.0 ms on"}, 0},
		{"a noisy one", measuredMachine{ceiling: 2000, lagP99: 9, rate: 200, steal: &steal, cpu: gate.Noise{CV: 0.5, Pairs: 0.6}, cpuOK: true},
			[]string{"will often be INCONCLUSIVE", "p99: nothing can be concluded", "absolute latency: cannot be concluded"}, 3},
	} {
		said := strings.Join(row.m.conclusions(), "\n")
		for _, want := range row.wants {
			if !strings.Contains(said, want) {
				t.Errorf("%s: nothing of %q in\n%s", row.why, want, said)
			}
		}
		notes := 0
		for _, f := range row.m.findings() {
			if f.level != "ok" {
				notes++
				if f.remedy == "" {
					t.Errorf("%s: %s without a remedy", row.why, f.what)
				}
			}
		}
		if notes != row.notes {
			t.Errorf("%s: %d notes, want %d", row.why, notes, row.notes)
		}
	}
}
