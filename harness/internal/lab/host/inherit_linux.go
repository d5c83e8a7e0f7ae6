package host

import (
	"os"
	"strconv"
	"syscall"
)

// keepToOurselves marks what this process inherited open, such as a lock that a
// script holds around it, so that nodes do not inherit it in turn: a lab that
// stays would hold it for ever.
func keepToOurselves() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd) // one that was closed meanwhile is no matter
		}
	}
}
