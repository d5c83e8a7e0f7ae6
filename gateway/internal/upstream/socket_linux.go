package upstream

import "golang.org/x/sys/unix"

// outQueue is how many bytes the peer's side has not acknowledged.
func outQueue(fd uintptr) (int, error) { return unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }
