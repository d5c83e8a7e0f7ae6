package proxy

import "golang.org/x/sys/unix"

// hungUp tells whether the peer has ended its direction of a connection, whatever
// there is still to read.
func hungUp(c *clientConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	closed := false
	err = raw.Control(func(fd uintptr) {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a file descriptor
		n, err := unix.Poll(set, 0)
		closed = err == nil && n > 0 && set[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return err != nil || closed
}
