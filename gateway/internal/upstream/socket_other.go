//go:build !linux

package upstream

import "syscall"

// readSocket reads what is there.
func readSocket(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }

// outQueue is known on Linux only.
func outQueue(uintptr) (int, error) { return 0, nil }
