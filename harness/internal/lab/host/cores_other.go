//go:build !linux

package host

import (
	"fmt"
	"os/exec"
)

// startOn starts a command; only Linux pins processes to cores.
func startOn(cores []int, cmd *exec.Cmd) error {
	if len(cores) > 0 {
		return fmt.Errorf("pin to cores %v: this system cannot", cores)
	}
	return cmd.Start()
}
