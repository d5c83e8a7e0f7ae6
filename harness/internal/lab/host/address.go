package host

import (
	"fmt"
	"maps"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// frontOffset is how far a node's public address is from its own, where a proxy
// stands in front of it.
const frontOffset = 100

// addresses gives every node one loopback address, the same for as long as the
// lab lives. Where the system has only 127.0.0.1 (all but Linux), every port of
// every node is one of its own there instead.
type addresses struct {
	slot  int
	fixed map[string]int    // "node:port" -> port on 127.0.0.1
	cut   []string          // roles with a proxy in front
	known map[string]string // "node:port" -> host:port, of a lab that another process started

	mu    sync.Mutex
	hosts map[string]int // node -> last byte
	ports map[string]int // "node:port" -> port on 127.0.0.1, where there is but one address
	one   bool
}

func newAddresses(slot int, fixed map[string]int, cut []string) *addresses {
	return &addresses{slot: slot, fixed: fixed, cut: cut, one: runtime.GOOS != "linux",
		known: map[string]string{}, hosts: map[string]int{}, ports: map[string]int{}}
}

// listen is where a node itself listens.
func (a *addresses) listen(node string, port int) string {
	if addr, ok := a.known[key(node, port)]; ok {
		return addr
	}
	if p, ok := a.fixed[key(node, port)]; ok {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
	}
	return a.at(node, port, 0)
}

// dial is where other nodes reach a node: itself, or the proxy in front of it.
func (a *addresses) dial(node string, port int) string {
	if a.fronted(node) {
		return a.at(node, port, frontOffset)
	}
	return a.listen(node, port)
}

func (a *addresses) fronted(node string) bool {
	return slices.Contains(a.cut, roleOf(node))
}

// roleOf is a node's role by its name: gateway-2 is a gateway.
func roleOf(node string) string {
	if role, number, ok := strings.Cut(node, "-"); ok {
		if _, err := strconv.Atoi(number); err == nil {
			return role
		}
	}
	return node
}

func (a *addresses) at(node string, port, offset int) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.one {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(a.portLocked(key(node, port)+"/"+strconv.Itoa(offset))))
	}
	n, ok := a.hosts[node]
	if !ok {
		n = 2 + len(a.hosts)
		a.hosts[node] = n
	}
	return net.JoinHostPort(fmt.Sprintf("127.0.%d.%d", a.slot, n+offset), strconv.Itoa(port))
}

// portLocked asks the kernel for an unused port.
func (a *addresses) portLocked(k string) int {
	if p, ok := a.ports[k]; ok {
		return p
	}
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			break
		}
		p := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if !slices.Contains(slices.Collect(maps.Values(a.ports)), p) {
			a.ports[k] = p
			return p
		}
	}
	return 0 // the program will say that it cannot listen
}

func (a *addresses) describe() string {
	if a.one {
		return "127.0.0.1, a port each"
	}
	return fmt.Sprintf("127.0.%d.2 and following, one a node", a.slot)
}

func key(node string, port int) string { return node + ":" + strconv.Itoa(port) }
