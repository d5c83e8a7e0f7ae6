package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// scheduleInBatches asks the kernel to treat the process as SCHED_BATCH: when
// it is woken it does not take the core from whoever runs, so that more
// requests wait for it at a time and each wake-up serves several. Threads that
// come later inherit it. No privilege is needed.
func scheduleInBatches() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		// Its niceness is whoever started it's choice.
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil {
			return fmt.Errorf("schedule in batches: %w", err)
		}
		batch := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: attr.Nice}
		if err := unix.SchedSetAttr(tid, &batch, 0); err != nil {
			return fmt.Errorf("schedule in batches: %w", err)
		}
	}
	return nil
}
