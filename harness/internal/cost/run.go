package cost

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// notBilled are the roles whose CPU is not part of a gateway's bill: the load, and the API behind the gateway.
var notBilled = []string{"worker", "origin", "link", "collector"}

// FromRun is what a run measured in one stage, by default the last one: the CPU of everything that serves a request, and the memory of the
// largest replica. The basis says in words where the figures come from. It is an error if the run has no such stage, or measured no CPU.
func FromRun(r *result.Result, stage string) (m Demand, basis string, err error) {
	i := len(r.Stages) - 1
	if stage != "" {
		i = slices.IndexFunc(r.Stages, func(s result.Stage) bool { return s.Name == stage })
	}
	if i < 0 {
		return m, "", fmt.Errorf("run %s has no stage %q", r.RunID, stage)
	}
	s := &r.Stages[i]
	for role, us := range s.CPUPerRequestUS {
		if !slices.Contains(notBilled, role) {
			m.CPUUS += us
		}
	}
	for node, mib := range s.MemoryPeakMiB {
		if strings.HasPrefix(node, "gateway") {
			m.MemoryMiB = max(m.MemoryMiB, mib)
		}
	}
	if m.CPUUS == 0 {
		return m, "", fmt.Errorf("run %s: %w", r.RunID, errNoCPU)
	}
	basis = fmt.Sprintf("gateway, load balancer, Redis and Postgres together in run %s, stage %s", r.RunID, s.Name)
	if !s.Valid {
		basis += " (INVALID)"
	}
	return m, basis, nil
}

var errNoCPU = errors.New("the run did not measure CPU per request")
