package fault

import "github.com/gatelab/gatelab/harness/internal/lab"

// KindKill ends a node with SIGKILL; it is started again.
const KindKill = "kill"

func kill(n Node) stateChange {
	return stateChange{inject: n.Kill, recover: n.Start, broken: func(s lab.State) bool { return !s.Running }}
}
