package fault

import (
	"context"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// KindStop ends a node with SIGTERM, so that it may drain; it is started again.
const KindStop = "stop"

// drainTimeout is how long a node may take to end when asked to.
const drainTimeout = 15 * time.Second

func stop(n Node) stateChange {
	return stateChange{
		inject:  func(ctx context.Context) error { return n.Stop(ctx, drainTimeout) },
		recover: n.Start,
		broken:  func(s lab.State) bool { return !s.Running },
	}
}
