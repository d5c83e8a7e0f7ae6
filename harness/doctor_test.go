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
		{"a quiet machine", measuredMachine{ceiling: 40_000, lagP99: 0.1, rate: 1000, alike: []alike{
			{what: "CPU per request", noise: gate.Noise{CV: 0.05, Pairs: 0.02}, ok: true, margin: 0.05}, {what: "p99", noise: gate.Noise{CV: 0.1, Pairs: 0.05}, ok: true, margin: 0.3, guard: true}}},
			[]string{"passes", "to be believed from 1.0 ms on"}, 0},
		{"a noisy one", measuredMachine{ceiling: 2000, lagP99: 9, rate: 200, steal: &steal, alike: []alike{
			{what: "CPU per request", noise: gate.Noise{CV: 0.5, Pairs: 0.6}, ok: true, margin: 0.05}, {what: "p50", margin: 0.05}, {what: "p99", noise: gate.Noise{CV: 1, Pairs: 1}, ok: true, margin: 0.3, guard: true}, {what: "QPS", noise: gate.Noise{CV: 0.2, Pairs: 0.3}, ok: true}}},
			[]string{"will often be INCONCLUSIVE", "p50: nothing can be concluded", "less is not told, which holds no pass up", "differences below 40%", "absolute latency: cannot be concluded"}, 3},
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
