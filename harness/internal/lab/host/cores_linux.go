package host

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// startOn starts a command on the given cores; none: on all. A child inherits
// the affinity of the thread that made it, so that not even its first
// instruction runs elsewhere.
func startOn(cores []int, cmd *exec.Cmd) error {
	if len(cores) == 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, wanted unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("pin to cores %v: %w", cores, err)
	}
	for _, c := range cores {
		wanted.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &wanted); err != nil {
		return fmt.Errorf("pin to cores %v: %w: this machine has cores 0 to %d", cores, err, runtime.NumCPU()-1)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }() // what was allowed before is allowed now
	return cmd.Start()
}
