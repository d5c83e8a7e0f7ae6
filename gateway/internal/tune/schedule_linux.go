package tune

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Batch makes the process SCHED_BATCH: a thread that wakes up does not preempt
// the one that runs, so that more requests are waiting when it runs and each
// wake-up serves several. Threads that are made later inherit it. No privilege is
// needed.
func Batch() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		// The niceness stays as the process was started with.
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil {
			return fmt.Errorf("set SCHED_BATCH: %w", err)
		}
		batch := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: attr.Nice}
		if err := unix.SchedSetAttr(tid, &batch, 0); err != nil {
			return fmt.Errorf("set SCHED_BATCH: %w", err)
		}
	}
	return nil
}
