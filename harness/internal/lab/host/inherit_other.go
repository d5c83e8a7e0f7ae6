//go:build !linux

package host

import "syscall"

// keepToOurselves marks what this process inherited open, such as a lock that a
// script holds around it, so that nodes do not inherit it in turn.
func keepToOurselves() {
	for fd := 3; fd < 256; fd++ {
		syscall.CloseOnExec(fd) // one that is not open is no matter
	}
}
