//go:build !linux

package engine

import (
	"errors"
	"os"
	"time"
)

// newTimer: only Linux has timerfds. The pacer then leaves the waiting to the runtime.
func newTimer() *os.File { return nil }

func arm(uintptr, time.Duration) error { return errors.ErrUnsupported }
