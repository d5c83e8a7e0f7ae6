package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// read and write are the system calls, on sockets that do not block.
func read(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) //nolint:gosec // as syscall.Read
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0 //nolint:gosec // not more than len(b)
}

func write(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) //nolint:gosec // as syscall.Write
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0 //nolint:gosec // not more than len(b)
}

// outQueue is how many bytes the peer's side has not acknowledged.
func outQueue(fd uintptr) (int, syscall.Errno) {
	var n int32
	_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, fd, unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n))) //nolint:gosec // as unix.IoctlGetInt
	return int(n), errno
}
