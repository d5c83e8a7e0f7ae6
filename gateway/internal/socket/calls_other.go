//go:build !linux

package socket

import "syscall"

// Elsewhere, connections are used by their own methods.
const supported = false

func read(uintptr, []byte) (int, syscall.Errno)  { return 0, syscall.ENOSYS }
func write(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.ENOSYS }
func outQueue(uintptr) (int, syscall.Errno)      { return 0, syscall.ENOSYS }
