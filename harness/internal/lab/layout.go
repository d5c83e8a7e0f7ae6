package lab

import (
	"net"
	"strconv"
	"strings"
)

// Layout says where nodes listen and how others reach them. The zero Layout is
// a network on which each node has an address and all ports of its own.
type Layout struct {
	Listen func(node string, port int) string // host:port to listen on; nil is ":port"
	Addr   func(node string, port int) string // host:port to dial; nil is "node:port"
}

// ListenAddr is host:port that a node listens on.
func (l Layout) ListenAddr(node string, port int) string {
	if l.Listen == nil {
		return ":" + strconv.Itoa(port)
	}
	return l.Listen(node, port)
}

// DialAddr is host:port at which other nodes reach a node.
func (l Layout) DialAddr(node string, port int) string {
	if l.Addr == nil {
		return net.JoinHostPort(node, strconv.Itoa(port))
	}
	return l.Addr(node, port)
}

// RoleOf is the role of a node by its name: "gateway" of "gateway-2".
func RoleOf(name string) string {
	role, _, _ := strings.Cut(name, "-")
	return role
}

// The database that every runtime makes in Postgres, and its user.
const (
	PostgresUser     = "gatelab"
	PostgresPassword = "gatelab"
	PostgresDatabase = "gatelab"
)
