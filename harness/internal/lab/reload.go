package lab

import (
	"context"
	"syscall"
)

// Reloader is a node whose files can be changed while it runs. A runtime whose nodes are none cannot carry what reloads configurations.
type Reloader interface {
	// Reload writes files, by their paths inside the node as in Spec.Files, and sends the node's program a signal; 0: none.
	Reload(ctx context.Context, files map[string][]byte, signal syscall.Signal) error
}
