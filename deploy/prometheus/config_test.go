package prometheus_test

import (
	"os/exec"
	"testing"
)

// The configurations of the stack are what Prometheus' and Alertmanager's own
// tools take.
func TestConfigurationsAreValid(t *testing.T) {
	if testing.Short() {
		t.Skip("needs promtool and amtool, and -short asks for tests without other programs: run make test")
	}
	for _, argv := range [][]string{
		// The rules lie elsewhere in the container; alerts/ tests them.
		{"promtool", "check", "config", "--syntax-only", "prometheus.yml"},
		{"amtool", "check-config", "alertmanager.yml"},
	} {
		if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v: if it is missing, run make deps\n%s", argv, err, out)
		}
	}
}
