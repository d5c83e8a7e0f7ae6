package reload

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// onThread adds to busy the CPU time of the calling goroutine until the function that it
// returns is called, which must be by the same goroutine.
func onThread(busy *time.Duration) (stop func()) {
	runtime.LockOSThread()
	before := threadTime()
	return func() {
		*busy += threadTime() - before
		runtime.UnlockOSThread()
	}
}

func threadTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
