package docker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Published ports are chosen below the usual ephemeral range (from 32768): a
// killed node frees its port, and no outgoing connection of this machine may
// take it before the node is started again.
const (
	firstPort = 20000
	lastPort  = 31999
)

// publish decides on which loopback ports a node's ports appear. A node that is
// replaced gets the same ones again. r.mu is held.
func (r *Runtime) publish(s lab.Spec) (map[int]int, error) {
	ports := map[int]int{}
	for _, port := range s.Ports {
		key := s.Name + ":" + strconv.Itoa(port)
		want := s.HostPorts[port]
		have := r.ports[key]
		switch {
		case want != 0 && want != have:
			if err := probe(want); err != nil {
				return nil, portError(s.Name, port, want, err)
			}
			have = want
		case have == 0:
			var err error
			if have, err = r.freePort(); err != nil {
				return nil, fmt.Errorf("publish port %d of %s: %w", port, s.Name, err)
			}
		}
		r.ports[key] = have
		ports[port] = have
	}
	return ports, nil
}

// freePort finds a port that nothing listens on and no other node has.
func (r *Runtime) freePort() (int, error) {
	given := map[int]bool{}
	for _, p := range r.ports {
		given[p] = true
	}
	var last error
	for range 200 {
		p := firstPort + rand.IntN(lastPort-firstPort+1)
		if given[p] {
			continue
		}
		if last = probe(p); last == nil {
			return p, nil
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d: %w", firstPort, lastPort, last)
}

func probe(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// portError names the port and the node that was to have it.
func portError(node string, port, host int, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d on 127.0.0.1, wanted for %s (its port %d), is in use: stop what listens there or choose another", host,
			node, port)
	}
	return fmt.Errorf("port %d on 127.0.0.1, wanted for %s (its port %d): %w", host, node, port, err)
}
