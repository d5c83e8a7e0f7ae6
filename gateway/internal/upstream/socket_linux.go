package upstream

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The sockets do not block, so that the scheduler need not be told of these
// system calls: that would cost as much again.

// readSocket reads what is there.
func readSocket(fd uintptr, b []byte) (int, error) {
	start := unsafe.Pointer(unsafe.SliceData(b))
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(start), uintptr(len(b))) //nolint:gosec // as syscall.Read
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil //nolint:gosec // not more than len(b)
}

// outQueue is how many bytes the peer's side has not acknowledged.
func outQueue(fd uintptr) (int, error) {
	var n int32
	_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, fd, unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n))) //nolint:gosec // as unix.IoctlGetInt
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
