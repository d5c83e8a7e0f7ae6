package proxy

import (
	"net"
	"sync"
	"sync/atomic"
)

// listener is closed without harm to those who have connected already: whoever
// closes a listening socket resets the connections that wait to be accepted,
// with the requests that their clients have sent.
type listener struct {
	net.Listener
	ending atomic.Bool
	last   chan net.Conn // connections of the last moment, for Accept
	once   sync.Once
	err    error
}

// mostLast bounds the connections that wait to be accepted at the end; the
// kernel's own bound, net.core.somaxconn, is 4096 as a rule.
const mostLast = 8192

func newListener(ln net.Listener) *listener {
	return &listener{Listener: ln, last: make(chan net.Conn, mostLast)}
}

// Accept is net.Listener's. After finish it returns the connections of the last
// moment, and then net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil || !l.ending.Load() {
		return c, err
	}
	if c, more := <-l.last; more {
		return c, nil
	}
	return nil, net.ErrClosed // whatever the kernel called it
}

// finish stops listening once nobody waits to be accepted.
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
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}
