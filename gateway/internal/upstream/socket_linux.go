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
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) //nolint:gosec // as syscall.Read
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil //nolint:gosec // not more than len(b)
}

// outQueue is how many bytes the peer's side has not acknowledged.
func outQueue(fd uintptr) (int, error) {
	var n int32
	if _, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, fd, unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n))); errno != 0 { //nolint:gosec // as unix.IoctlGetInt
		return 0, errno
	}
	return int(n), nil
}
