package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener makes clients' connections of what it accepts. It is closed without
// harm to clients that have connected already: closing a listening socket resets
// the connections that wait to be accepted, with the requests that were sent on
// them.
type listener struct {
	net.Listener
	clients   *clients
	protocols Protocols
	port      string
	tls       *tls.Config // nil: without TLS
	ending    atomic.Bool
	last      chan net.Conn // connections of the last moment, for Accept
	closed    chan struct{}
	once      sync.Once
	err       error
}

// mostLast bounds the connections that wait to be accepted at the end; the
// kernel's own bound, net.core.somaxconn, is 4096 as a rule.
const mostLast = 8192

func newListener(ln net.Listener, a *clients, p Protocols) *listener {
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return &listener{Listener: ln, clients: a, protocols: p, port: port, last: make(chan net.Conn, mostLast), closed: make(chan struct{})}
}

// Accept is net.Listener's. After finish it returns the connections of the last
// moment, and then net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.accept()
	if err != nil { // not an interface with nothing in it
		return nil, err
	}
	return c, nil
}

func (l *listener) accept() (*clientConn, error) {
	for {
		c, err := l.next()
		if err != nil {
			return nil, err
		}
		client := l.clients.add(c)
		client.port = l.port
		if !l.clients.full() || l.clients.evict() {
			return client, nil
		}
		l.clients.refuse(client, l.protocols.TLS)
	}
}

// next waits while there is no file descriptor or memory for a connection: the
// codec would end the service for it.
func (l *listener) next() (net.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			return c, nil
		case l.ending.Load():
			if c, more := <-l.last; more {
				return c, nil
			}
			return nil, net.ErrClosed // whatever the kernel called it
		case !isExhausted(err):
			return nil, err
		}
		l.clients.metrics.acceptErrors.Inc()
		l.clients.evict()
		select {
		case <-l.closed:
		case <-time.After(wait):
		}
	}
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

func isExhausted(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// full tells whether there are more connections than allowed.
func (a *clients) full() bool { return a.most > 0 && a.open.Load() > a.most }

const tooMany = `{"message":"Too many connections"}`

// refuse answers a connection that is one too many. It does not wait: the
// buffers of a new connection take as much. A handshake would be too much work.
func (a *clients) refuse(c *clientConn, tls bool) {
	a.metrics.refused.Inc()
	a.refused.Add(1)
	if tls {
		_ = c.Close()
		return
	}
	c.phase.Store(phaseBody) // a request may be on its way
	_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nServer: gatelab\r\nConnection: close\r\n"+
		"Content-Type: application/json; charset=utf-8\r\nContent-Length: 34\r\n\r\n"+tooMany)
	_ = c.Close()
}

// finish stops listening once no connection waits to be accepted.
func (l *listener) finish() {
	if l.ending.Swap(true) {
		return
	}
	acceptLast(l.Listener, l.last)
	close(l.last)
	_ = l.Close()
}

// Close is net.Listener's; fasthttp calls it again after finish.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.err = l.Listener.Close()
	})
	return l.err
}
