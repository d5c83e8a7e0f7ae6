package doctor

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/load/engine"
)

func TestTheDoctorSaysHowTheGeneratorCompares(t *testing.T) {
	for _, row := range []struct {
		name     string
		compared *wrkComparison
		want     string
		warnings int
	}{
		{name: "no wrk", want: "not installed"},
		{
			name:     "as fast",
			compared: &wrkComparison{rate: 50_000, closed: 0.9, low: 0.85, high: 0.95, kept: 0.6, onTime: 0.4, lagMS: 0.5},
			want:     "on time up to 40%",
		},
		{
			name:     "slow in a closed loop",
			compared: &wrkComparison{rate: 50_000, closed: 0.5, low: 0.4, high: 0.6, kept: 0.6, onTime: 0.6},
			want:     "50% of wrk's rate", warnings: 1,
		},
		{name: "never on time", compared: &wrkComparison{rate: 50_000, closed: 0.9}, want: "even at 5%", warnings: 1},
	} {
		warnings, said := 0, ""
		for _, f := range row.compared.findings() {
			said += f.Found + "\n"
			if f.Level != OK {
				warnings++
				if f.Remedy == "" {
					t.Errorf("%s: %s without a remedy", row.name, f.Check)
				}
			}
		}
		if warnings != row.warnings || !strings.Contains(said, row.want) {
			t.Errorf("%s: %d warnings, want %d, and %q in\n%s", row.name, warnings, row.warnings, row.want, said)
		}
	}
}

// The real wrk: its output format is not documented.
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
	null := engine.NewNullServer()
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
		t.Error("there was a rate without a server")
	}
}
