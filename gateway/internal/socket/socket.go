// Package socket reads and writes TCP connections without a word to the Go
// scheduler.
//
// Around each system call of package net, the runtime notes that its thread may
// block. Sockets of the network poller never block, so this is of no use, and it is
// expensive where requests come one at a time: the first such note after an idle
// moment wakes the runtime's monitor thread, which then looks around every 20 us.
// At 1,500 requests/s they were a good part of the gateway's CPU time
// (docs/adr/0023-system-calls-without-the-scheduler.md).
package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// mostAtOnce bounds the bytes of one system call: for so long, the thread and its
// processor are not available for other goroutines or the garbage collector.
const mostAtOnce = 64 << 10

// Conn is a TCP connection. A connection that is no socket of the system is used by its
// own methods.
type Conn struct {
	net.Conn
	raw syscall.RawConn // nil: no socket of the system

	in, out transfer
	queue   struct {
		n     int
		errno syscall.Errno
		count func(fd uintptr)
	}
}

// transfer is the call under way in one direction; a field, so that it allocates nothing.
// A second call waits for it, as in package net.
type transfer struct {
	mu      sync.Mutex
	b       []byte
	n       int
	errno   syscall.Errno
	scratch *Scratch // where b comes from; nil: it is the caller's
	run     func(fd uintptr) (done bool)
	once    func(fd uintptr) // for ReadNow
}

// New wraps a connection.
func New(nc net.Conn) *Conn {
	c := &Conn{Conn: nc}
	if !supported {
		return c
	}
	if _, ok := nc.(*net.TCPConn); !ok {
		return c
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return c
	}
	c.raw = raw
	c.in.run = func(fd uintptr) bool { return c.in.receive(fd) }
	c.in.once = func(fd uintptr) { c.in.receive(fd) }
	c.out.run = func(fd uintptr) bool { return c.out.send(fd) }
	c.queue.count = func(fd uintptr) { c.queue.n, c.queue.errno = outQueue(fd) }
	return c
}

// IsPollable tells whether ReadNow and Unacknowledged work on the connection.
func (c *Conn) IsPollable() bool { return c.raw != nil }

// Read is net.Conn's.
func (c *Conn) Read(b []byte) (int, error) {
	if c.raw == nil || len(b) == 0 {
		return c.Conn.Read(b)
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.begin(b)
	err := c.raw.Read(c.in.run)
	return c.received(err)
}

// ErrNothing says that nothing is there to read now. It is a net.Error that TLS
// takes for temporary: it reads on afterwards.
var ErrNothing error = nothingError{}

type nothingError struct{}

func (nothingError) Error() string   { return "nothing to read" }
func (nothingError) Timeout() bool   { return true }
func (nothingError) Temporary() bool { return true }

// ReadNow reads what is there without waiting, whatever the deadline: ErrNothing
// says that nothing is.
func (c *Conn) ReadNow(b []byte) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.begin(b)
	err := c.raw.Control(c.in.once)
	if err == nil && c.in.errno == syscall.EAGAIN {
		c.in.b = nil
		return 0, ErrNothing
	}
	return c.received(err)
}

func (c *Conn) received(err error) (int, error) {
	c.in.b = nil
	switch {
	case err != nil:
		return 0, err
	case c.in.errno != 0:
		return 0, c.failure("read", c.in.errno)
	case c.in.n == 0:
		return 0, io.EOF
	}
	return c.in.n, nil
}

// Write is net.Conn's.
func (c *Conn) Write(b []byte) (int, error) {
	if c.raw == nil || len(b) == 0 {
		return c.Conn.Write(b)
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.begin(b)
	err := c.raw.Write(c.out.run)
	c.out.b = nil
	if err == nil && c.out.errno != 0 {
		err = c.failure("write", c.out.errno)
	}
	return c.out.n, err
}

// Unacknowledged tells whether the peer has not yet confirmed all that was written.
func (c *Conn) Unacknowledged() bool {
	return c.raw.Control(c.queue.count) == nil && c.queue.errno == 0 && c.queue.n > 0
}

// failure is an error as package net makes it.
func (c *Conn) failure(call string, errno syscall.Errno) error {
	return &net.OpError{
		Op: call, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(call, errno),
	}
}

func (t *transfer) begin(b []byte) {
	t.b, t.n = b, 0
	t.errno = 0
}

// receive reads once. It returns false where there is nothing yet.
func (t *transfer) receive(fd uintptr) bool {
	if t.scratch != nil {
		t.b = t.scratch.take()
	}
	for {
		t.n, t.errno = read(fd, t.b[:min(len(t.b), mostAtOnce)])
		if t.errno != syscall.EINTR {
			break
		}
	}
	if t.errno != syscall.EAGAIN {
		return true
	}
	if t.scratch != nil {
		t.scratch.Release() // nothing is to be held while it waits
	}
	return false
}

// send writes all. It returns false where the socket takes no more now.
func (t *transfer) send(fd uintptr) bool {
	for t.n < len(t.b) {
		n, errno := write(fd, t.b[t.n:min(len(t.b), t.n+mostAtOnce)])
		switch errno {
		case 0:
			t.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.errno = errno
			return true
		}
	}
	return true
}

// SyscallConn is syscall.Conn's.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// CloseWrite ends the direction to the peer; of a connection that cannot, both.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// SetLinger is *net.TCPConn's; other connections ignore it.
func (c *Conn) SetLinger(sec int) error {
	if tcp, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return tcp.SetLinger(sec)
	}
	return nil
}
