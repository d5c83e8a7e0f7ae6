package lab

import (
	"context"
	"time"
)

// Machine is a machine of a cluster, on which nodes run. It can be taken out of service, as for an update of its kernel.
type Machine interface {
	Name() string
	// Cordon keeps new nodes off the machine. If it is cordoned already, which was done by others, it is an error.
	Cordon(ctx context.Context) error
	// Uncordon undoes Cordon. It does nothing if this lab did not cordon the machine.
	Uncordon(ctx context.Context) error
	// Cordoned says whether new nodes are kept off the machine, by whomever.
	Cordoned(ctx context.Context) (bool, error)
}

// Placed is a node of a runtime whose nodes are on machines of a cluster.
type Placed interface {
	// Machine is where the node runs, or ran last; nil before its first start.
	Machine() Machine
	// Evict asks the cluster to remove the node from its machine, with that long to end, and waits until it is gone. A cluster refuses
	// while a disruption budget forbids it; the node is asked for again until ctx ends. Node.Start starts it again.
	Evict(ctx context.Context, grace time.Duration) error
}
