//go:build !linux

package proxy

import "net"

// acceptLast is possible on Linux only.
func acceptLast(net.Listener, chan<- net.Conn) {}
