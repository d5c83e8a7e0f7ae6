package proxy

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/http2"
)

// Protocols is what a listener's clients may speak beside HTTP/1.1.
type Protocols struct {
	TLS   bool // nothing without TLS
	HTTP2 bool // with TLS by ALPN, without it by prior knowledge
}

// Serve answers clients that speak HTTP/1.1 until Shutdown. It is called once for
// each listener.
func (s *Server) Serve(ln net.Listener) error { return s.ServeProtocols(ln, Protocols{}) }

// ServeProtocols is Serve with further protocols.
func (s *Server) ServeProtocols(ln net.Listener, p Protocols) error {
	l := newListener(ln, s.clients, p)
	if listens, err := s.listen(l); err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	} else if !listens { // Shutdown came first
		l.finish()
		return nil
	}
	defer s.serving.Done()
	serve := s.accept
	if p == (Protocols{}) && len(s.config.ProxyProtocol) == 0 {
		serve = func(l *listener) error { return s.http.Serve(l) }
	}
	if err := serve(l); err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// listen notes a listener for Shutdown, and makes what it needs.
func (s *Server) listen(l *listener) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false, nil
	}
	if l.protocols.TLS {
		t, err := s.terminator(l.protocols)
		if err != nil {
			return false, err
		}
		l.tls = t.config
	}
	s.listeners = append(s.listeners, l)
	s.serving.Add(1)
	return true, nil
}

// terminator is shared by the listeners with the same protocols, so that a session
// of one is resumed by another. The caller holds s.mu.
func (s *Server) terminator(p Protocols) (*terminator, error) {
	if had := s.tls[p]; had != nil {
		return had, nil
	}
	names := []string{"http/1.1"}
	if p.HTTP2 {
		names = []string{http2.NextProtoTLS, "http/1.1"}
	}
	made, err := newTerminator(s.proxy, s.config.TLS, names)
	if err == nil {
		s.tls[p] = made
	}
	return made, err
}

// accept serves what is not known to be HTTP/1.1 before it has said so.
func (s *Server) accept(l *listener) error {
	for {
		c, err := l.accept()
		if err != nil {
			return ignoreClosed(err)
		}
		s.clients.owned.Add(1)
		go func() {
			defer s.clients.owned.Done()
			s.greet(c, l)
		}()
	}
}

// greet finds out what a client speaks, and serves it.
func (s *Server) greet(c *clientConn, l *listener) {
	if s.fromBalancer(c) {
		if err := s.clients.greet(c, c.meetBalancer); err != nil {
			c.refuseBalancer(err)
			return
		}
	}
	if l.tls != nil {
		if err := s.clients.greet(c, func() error { return c.handshake(l.tls) }); err != nil {
			c.refuseHandshake(err)
			return
		}
		s.clients.metrics.handshakeMade(&c.secure.state)
	}
	http2, err := s.speaksHTTP2(c, l)
	c.wroteAt = time.Now() // from now on a request is waited for
	switch {
	case err != nil:
		_ = c.Close()
	case http2:
		s.http2.serve(c)
	default:
		_ = s.http.ServeConn(c.forCodec()) // parked ones are another's
	}
}

// speaksHTTP2 tells whether the client does, by ALPN or by what it sends first.
func (s *Server) speaksHTTP2(c *clientConn, l *listener) (bool, error) {
	if !l.protocols.HTTP2 {
		return false, nil
	}
	if c.secure != nil {
		return c.secure.state.NegotiatedProtocol == http2.NextProtoTLS, nil
	}
	err := s.clients.greet(c, c.awaitPreface)
	if errors.Is(err, errNotHTTP2) {
		return false, nil
	}
	return err == nil, err
}

func ignoreClosed(err error) error {
	if isClosed(err) {
		return nil
	}
	return err
}
