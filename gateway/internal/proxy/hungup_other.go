//go:build !linux

package proxy

// hungUp tells whether the peer has closed a connection, where nothing is there
// to be read.
func hungUp(c *clientConn) bool { return gone(c) }
