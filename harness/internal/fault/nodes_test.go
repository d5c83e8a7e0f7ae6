package fault_test

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
)

// replica is a node of which faults are only told its name and role.
type replica struct {
	lab.Node // nil: anything else must not be called
}

func (replica) Name() string { return "gateway-2" }
func (replica) Role() string { return "gateway" }

// What cannot be done with a lab that another process started is refused before anything is broken.
func TestNodesOfAnotherProcessAreNotUpgraded(t *testing.T) {
	nodes := fault.NewNodes([]lab.Node{replica{}})
	for _, row := range []struct{ name, kind, target, want string }{
		{name: "an upgrade", kind: fault.KindRollingUpgrade, target: "gateway", want: "only a run of its own"},
		{name: "no such role", kind: fault.KindRollingUpgrade, target: "redis", want: `no node of the role "redis": want one of gateway`},
		{name: "a misspelt fault", kind: "roling-restart", target: "gateway", want: `(did you mean "rolling-restart"?)`},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := fault.Make(fault.Spec{Kind: row.kind, Target: row.target}, nodes)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
}
