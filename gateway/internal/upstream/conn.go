package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// conn is one connection to a target, with its buffers.
type conn struct {
	net.Conn
	br     *bufio.Reader
	bw     *bufio.Writer
	reused bool
	idleAt time.Time

	// Of the request under way.
	sent     bool          // bytes of it have left
	answered bool          // bytes of its response have come
	pacing   sync.Mutex    // guards pace
	pace     time.Duration // if not 0, the write deadline is renewed with every write
}

// Write notes that the request is on its way: until then it may be sent again
// on another connection, whatever its method.
func (k *conn) Write(b []byte) (int, error) {
	k.pacing.Lock()
	if k.pace > 0 {
		_ = k.SetWriteDeadline(time.Now().Add(k.pace))
	}
	k.pacing.Unlock()
	n, err := k.Conn.Write(b)
	k.sent = k.sent || n > 0
	return n, err
}

// setPace is how long one write may take from now on; 0 leaves the deadline as
// it is.
func (k *conn) setPace(d time.Duration) {
	k.pacing.Lock()
	k.pace = d
	k.pacing.Unlock()
}

// listen looks out for an error that the upstream answers while a long body is
// still being sent to it. An upstream that has said so and does not take the
// rest need not be waited for. stop ends it, and leaves the read deadline passed.
func (k *conn) listen() (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		const line = len("HTTP/1.1 4")
		if head, err := k.br.Peek(line); err != nil || head[line-1] < '4' {
			return // other answers may go on together with the body
		}
		k.pacing.Lock()
		defer k.pacing.Unlock()
		if k.pace > earlyAnswerWait {
			k.pace = earlyAnswerWait
			_ = k.SetWriteDeadline(time.Now().Add(k.pace)) // also for the write under way
		}
	}()
	return func() {
		_ = k.SetReadDeadline(time.Unix(1, 0))
		<-done
	}
}

// bufferSize holds a response's header block and a small body; larger headers
// are refused by the codec.
const bufferSize = 16 << 10

// pool keeps idle connections to one target, the last used first.
type pool struct {
	mu     sync.Mutex
	idle   []*conn
	closed bool // no configuration names the target any more
}

// take returns the connection that was used last, or nil. Those that idled too
// long are closed.
func (p *pool) take(now time.Time, idleFor time.Duration) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	if now.Sub(c.idleAt) <= idleFor {
		c.reused = true
		return c
	}
	// The newest is too old, so all are.
	c.Close()
	for _, old := range p.idle {
		old.Close()
	}
	clear(p.idle)
	p.idle = p.idle[:0]
	return nil
}

// put keeps a connection for later, or closes it when there are enough.
func (p *pool) put(c *conn, most int) {
	c.idleAt = time.Now()
	p.mu.Lock()
	if len(p.idle) < most && !p.closed {
		p.idle = append(p.idle, c)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	c.Close()
}

// prune closes what idled too long; the oldest lie first.
func (p *pool) prune(now time.Time, idleFor time.Duration) {
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].idleAt) > idleFor {
		n++
	}
	var old []*conn
	if n > 0 {
		old = append(old, p.idle[:n]...)
		rest := copy(p.idle, p.idle[n:])
		clear(p.idle[rest:])
		p.idle = p.idle[:rest]
	}
	p.mu.Unlock()
	for _, c := range old {
		c.Close()
	}
}

// close closes what is idle now, and what requests in flight give back later.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
}

// dial opens a connection.
func (t *Target) dial(timeout time.Duration) (*conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	nc, err := t.host.dial(ctx)
	if err != nil {
		return nil, &DialError{Address: t.Address, Err: err}
	}
	if t.tls != nil {
		tc := tls.Client(nc, t.tls)
		if err := tc.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, &DialError{Address: t.Address, Err: err}
		}
		nc = tc
	}
	k := &conn{Conn: nc, br: bufio.NewReaderSize(nc, bufferSize)}
	k.bw = bufio.NewWriterSize(k, 4<<10)
	return k, nil
}

// alive looks whether the peer has closed an idle connection, without reading
// from it. It is asked where a request must not be sent twice.
func (k *conn) alive() bool {
	if k.br.Buffered() > 0 {
		return false // an answer that nobody asked for
	}
	nc := k.Conn
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	// Control, not Read: the deadline of the last request may have passed.
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, rerr := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = errors.Is(rerr, syscall.EAGAIN)
	})
	return err == nil && alive
}

// DialError says that a target could not be reached: nothing was sent to it.
type DialError struct {
	Address string
	Err     error
}

func (e *DialError) Error() string { return fmt.Sprintf("connect to %s: %v", e.Address, e.Err) }

// Unwrap gives the cause.
func (e *DialError) Unwrap() error { return e.Err }
