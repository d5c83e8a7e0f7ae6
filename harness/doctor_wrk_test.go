package main

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"

	"gatelab/harness/internal/load"
)

func TestTheDoctorSaysHowTheGeneratorCompares(t *testing.T) {
	for _, row := range []struct {
		why   string
		b     *besideWrk
		want  string
		notes int
	}{
		{"no wrk", nil, "not installed", 0},
		{"as fast", &besideWrk{rate: 50_000, closed: 0.9, low: 0.85, high: 0.95, kept: 0.6, onTime: 0.4, lagMS: 0.5}, "on time up to 40%", 0},
		{"slow in a closed loop", &besideWrk{rate: 50_000, closed: 0.5, low: 0.4, high: 0.6, kept: 0.6, onTime: 0.6}, "50% of wrk's rate", 1},
		{"never on time", &besideWrk{rate: 50_000, closed: 0.9}, "even at 5%", 1},
	} {
		notes, said := 0, ""
		for _, f := range row.b.findings() {
			said += f.found + "\n"
			if f.level != "ok" {
				notes++
				if f.remedy == "" {
					t.Errorf("%s: %s without a remedy", row.why, f.what)
				}
			}
		}
		if notes != row.notes || !strings.Contains(said, row.want) {
			t.Errorf("%s: %d notes, want %d, and %q in\n%s", row.why, notes, row.notes, row.want, said)
		}
	}
}

// The real wrk: what it prints is nobody's contract.
func TestWrksRateIsRead(t *testing.T) {
	if testing.Short() {
		t.Skip("needs wrk, and -short asks for tests without other programs: run make test")
	}
	program, err := exec.LookPath("wrk")
	if err != nil {
		t.Fatal("wrk is not installed: run make deps")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	null := load.NewNullServer()
	served := make(chan error, 1)
	go func() { served <- null.Serve(l) }()
	rate, err := runWrk(t.Context(), program, l.Addr().String())
	if err != nil || rate < 1 {
		t.Errorf("rate %v, error %v: want above 0 and none", rate, err)
	}
	if err := null.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := runWrk(t.Context(), program, l.Addr().String()); err == nil {
		t.Error("nobody listens, and there was a rate")
	}
}
