//go:build race

package socket

import (
	"errors"
	"syscall"
)

// The race detector takes what is written to a socket and read from it again for
// synchronisation, where package syscall does both.

func read(fd uintptr, b []byte) (int, syscall.Errno) { return plain(syscall.Read(int(fd), b)) }

func write(fd uintptr, b []byte) (int, syscall.Errno) { return plain(syscall.Write(int(fd), b)) }

func plain(n int, err error) (int, syscall.Errno) {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return 0, errno
	}
	return n, 0
}
