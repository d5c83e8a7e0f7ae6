package stack

import (
	"context"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// ErrNotUp says that no stack was left running.
var ErrNotUp = lab.ErrNotUp

// Attach finds the nodes of the stack that Up left running, whatever carries it. The error is ErrNotUp if there are none.
func Attach(ctx context.Context) ([]lab.Node, error) { return session.Runtimes().Attach(ctx) }
