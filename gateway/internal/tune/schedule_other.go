//go:build !linux

package tune

import "errors"

// Batch reports that only Linux has SCHED_BATCH.
func Batch() error { return errors.New("only Linux has SCHED_BATCH") }
