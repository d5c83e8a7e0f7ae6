//go:build !race

package socket

import (
	"syscall"
	"unsafe"
)

// read and write are the system calls, on sockets that do not block.
func read(fd uintptr, b []byte) (int, syscall.Errno) { return call(syscall.SYS_READ, fd, b) }

func write(fd uintptr, b []byte) (int, syscall.Errno) { return call(syscall.SYS_WRITE, fd, b) }

func call(number, fd uintptr, b []byte) (int, syscall.Errno) {
	start := unsafe.Pointer(unsafe.SliceData(b))
	n, _, errno := syscall.RawSyscall(number, fd, uintptr(start), uintptr(len(b))) //nolint:gosec // as syscall.Read and Write
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0 //nolint:gosec // not more than len(b)
}
