package fault

import "github.com/gatelab/gatelab/harness/internal/lab"

// KindCutOff takes a node off the network: packets to it are lost.
const KindCutOff = "cut-off"

func cutOff(n Node) stateChange {
	return stateChange{inject: n.CutOff, recover: n.Reconnect, broken: func(s lab.State) bool { return !s.Connected }}
}
