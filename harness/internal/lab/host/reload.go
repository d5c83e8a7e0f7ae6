package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

var _ lab.Reloader = (*node)(nil)

// Reload puts each file in place in one step, so that the program never reads half of one.
func (n *node) Reload(ctx context.Context, files map[string][]byte, signal syscall.Signal) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for path, content := range files {
		path = n.local(path)
		content = bytes.ReplaceAll(content, []byte("/tmp/"), []byte(n.local("/tmp")+"/"))
		if err := os.WriteFile(path+".new", content, 0o644); err != nil { //nolint:gosec // read by another user
			return fmt.Errorf("reload %s: %w", n.spec.Name, err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("reload %s: %w", n.spec.Name, err)
		}
	}
	if signal == 0 {
		return nil
	}
	p := n.current()
	if p == nil {
		return fmt.Errorf("reload %s: it does not run", n.spec.Name)
	}
	if err := p.signal(signal); err != nil {
		return fmt.Errorf("reload %s: %w", n.spec.Name, err)
	}
	return nil
}
