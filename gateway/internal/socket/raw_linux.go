//go:build !race

package socket

import (
	"syscall"
	"unsafe"
)

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
