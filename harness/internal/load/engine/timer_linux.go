package engine

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// newTimer is a timerfd; nil if none can be had. As it does not block, it is waited for as a connection is.
func newTimer() *os.File {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "timerfd")
}

// arm sets a timerfd to fire once.
func arm(fd uintptr, after time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(after))}
	return unix.TimerfdSettime(int(fd), 0, &spec, nil)
}
