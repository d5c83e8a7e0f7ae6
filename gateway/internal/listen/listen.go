// Package listen reserves TCP addresses for listeners that are opened later. A
// reserved address is bound, so that another program's claim to it is found at
// once and its port is known, but the kernel refuses connections to it until
// Listen is called. A load balancer then uses another replica, as it would not
// with a connection that is accepted and waits.
package listen

import (
	"fmt"
	"net"
	"sync"
)

// Socket is a reserved address. It is safe for concurrent use.
type Socket struct {
	addr net.Addr

	mu       sync.Mutex
	bound    *bound       // nil: listening or closed
	listener net.Listener // nil: not listening
}

// Bind reserves an address, host:port. Port 0 is any free one.
func Bind(address string) (*Socket, error) {
	b, addr, err := bind(address, nil)
	if err != nil {
		return nil, err
	}
	return &Socket{addr: addr, bound: b}, nil
}

// Addr returns the address, with the port that was chosen.
func (s *Socket) Addr() net.Addr { return s.addr }

// Listen opens the listener. It is called once. Close closes the listener, too.
func (s *Socket) Listen() (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bound == nil {
		return nil, fmt.Errorf("listen on %s: %w", s.addr, net.ErrClosed)
	}
	ln, err := s.bound.listen()
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.addr, err)
	}
	s.bound, s.listener = nil, ln
	return ln, nil
}

// Close gives the address up and closes its listener. It may be called twice.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.listener != nil:
		return s.listener.Close()
	case s.bound != nil:
		err := s.bound.close()
		s.bound = nil
		return err
	}
	return nil
}
