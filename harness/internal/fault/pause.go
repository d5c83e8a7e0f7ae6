package fault

import "github.com/gatelab/gatelab/harness/internal/lab"

// KindPause freezes a node: its connections stay open and nothing is answered.
const KindPause = "pause"

func pause(n Node) stateChange {
	return stateChange{inject: n.Pause, recover: n.Resume, broken: func(s lab.State) bool { return s.Paused }}
}
