package proxy

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// acceptLast accepts all waiting connections, and stops listening at the moment
// when there are none: between the two system calls there is no time for a client
// to connect and send.
func acceptLast(ln net.Listener, last chan<- net.Conn) {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	var waiting []int
	_ = raw.Control(func(fd uintptr) {
		for len(waiting) < cap(last) {
			n, _, err := syscall.Accept4(int(fd), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			if err == nil {
				waiting = append(waiting, n)
			} else if !errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.ECONNABORTED) {
				break // EAGAIN: no connection waits
			}
		}
		// Of a listening socket this is the end of listening.
		_ = syscall.Shutdown(int(fd), syscall.SHUT_RD)
	})
	for _, fd := range waiting {
		f := os.NewFile(uintptr(fd), "connection") //nolint:gosec // a file descriptor
		if c, err := net.FileConn(f); err == nil {
			last <- c
		}
		_ = f.Close()
	}
}
