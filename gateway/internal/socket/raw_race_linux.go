//go:build race

package socket

import "syscall"

// The race detector takes what is written to a socket and read from it again for
// synchronisation, where package syscall does both.

func read(fd uintptr, b []byte) (int, syscall.Errno) { return plain(syscall.Read(int(fd), b)) }

func write(fd uintptr, b []byte) (int, syscall.Errno) { return plain(syscall.Write(int(fd), b)) }

func plain(n int, err error) (int, syscall.Errno) {
	if errno, failed := err.(syscall.Errno); failed { //nolint:errorlint // package syscall wraps nothing
		return 0, errno
	}
	return n, 0
}
