package upstream

import (
	"net"
	"strconv"
	"strings"
)

// splitAddress takes a target apart: a name or an address, of IPv6 with or
// without brackets, and a port; 80 where there is none.
func splitAddress(address string) (name, port string) {
	if name, port, err := net.SplitHostPort(address); err == nil {
		return name, port
	}
	return strings.Trim(address, "[]"), "80"
}

// joinAddress is the inverse.
func joinAddress(host string, port int) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}

// Authority is what a request to an address has for a Host header: without the
// port where that is the protocol's own, as Kong sends it.
func Authority(address string, secure bool) string {
	name, port := splitAddress(address)
	if port == "443" && secure || port == "80" && !secure {
		if strings.IndexByte(name, ':') >= 0 {
			return "[" + name + "]"
		}
		return name
	}
	return net.JoinHostPort(name, port)
}

// hostOf is a Host header without its port and brackets: what TLS calls the
// server's name.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.Trim(header, "[]")
}

// joinHost is net.JoinHostPort for what may have brackets already.
func joinHost(host, port string) string { return net.JoinHostPort(strings.Trim(host, "[]"), port) }
