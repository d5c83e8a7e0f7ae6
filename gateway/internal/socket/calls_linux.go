package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// outQueue is how many bytes the peer's side has not acknowledged.
func outQueue(fd uintptr) (int, syscall.Errno) {
	var n int32
	_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, fd, unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n))) //nolint:gosec // as unix.IoctlGetInt
	return int(n), errno
}
