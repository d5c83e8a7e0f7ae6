package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/socket"
)

const (
	// parkAfter is how long a connection that waits for a request keeps the
	// codec's buffers. A busy one never waits as long.
	parkAfter = 250 * time.Millisecond

	// A connection that is closed while its client may be sending is read on for
	// so long, and at most so many are at a time.
	lingerPause = 5 * time.Second
	lingerMost  = 30 * time.Second
	mostLinger  = 1024

	// A connection that has not said its protocol for so long may have to make room.
	greetFor = time.Second

	unlimited = 365 * 24 * time.Hour
)

// bounds are what a client may take its time for.
type bounds struct {
	header, idle, body, write time.Duration
	bodyRate, writeRate       int64 // bytes per second; 0: any
}

func newBounds(c ServerConfig) bounds {
	or := func(d, otherwise time.Duration) time.Duration {
		if d <= 0 {
			return otherwise
		}
		return d
	}
	read := or(c.ReadTimeout, unlimited)
	return bounds{
		header: or(c.HeaderTimeout, read), idle: or(c.IdleTimeout, unlimited), body: read, write: or(c.WriteTimeout, unlimited),
		bodyRate: c.BodyRate, writeRate: c.ResponseRate,
	}
}

// clients are the connections of all clients.
type clients struct {
	bounds bounds
	most   int64                // connections at a time; 0: any number
	serve  func(net.Conn) error // the codec
	open   atomic.Int64

	accepted, refused atomic.Uint64 // connections since the start

	evictOther func(now time.Time) bool // closes an idle connection that is served elsewhere

	parked  atomic.Int64
	metrics *clientMetrics
	owned   sync.WaitGroup // goroutines that park and linger

	mu        sync.Mutex
	ended     bool
	idle      map[*clientConn]struct{} // parked
	lingering map[*clientConn]struct{}
	greeting  map[*clientConn]struct{} // in the TLS handshake, or before what tells their protocol
}

// newClients is handed the codec, which serves connections that were parked.
func newClients(c ServerConfig, serve func(net.Conn) error, reg prometheus.Registerer) *clients {
	a := &clients{
		bounds: newBounds(c), most: int64(c.MaxConnections), serve: serve,
		idle: map[*clientConn]struct{}{}, lingering: map[*clientConn]struct{}{},
		greeting: map[*clientConn]struct{}{},
	}
	a.metrics = newClientMetrics(reg, a)
	return a
}

// add takes a connection that was accepted just now.
func (a *clients) add(c net.Conn) *clientConn {
	a.open.Add(1)
	a.accepted.Add(1)
	now := time.Now()
	if tcp, ok := c.(*net.TCPConn); ok {
		c = socket.New(tcp)
	}
	return &clientConn{Conn: c, raw: c, all: a, accepted: now, wroteAt: now, writeCredit: a.bounds.write}
}

// park waits for the next request in place of the codec, which has let go of
// the connection: its buffers, most of what an idle connection costs, serve
// others meanwhile.
func (a *clients) park(c *clientConn) {
	a.mu.Lock()
	if a.ended {
		a.mu.Unlock()
		a.leave(c)
		return
	}
	a.idle[c] = struct{}{}
	a.owned.Add(1)
	a.mu.Unlock()
	go a.await(c)
}

// await is a goroutine of its own for its small stack.
func (a *clients) await(c *clientConn) {
	defer a.owned.Done()
	err := c.awaitByte(max(c.patience()-parkAfter, 0))
	a.mu.Lock()
	delete(a.idle, c)
	a.mu.Unlock()
	if err != nil {
		if isTimeout(err) {
			a.metrics.idle.Inc()
		}
		a.leave(c)
		return
	}
	c.resumed = true
	c.wroteAt = time.Now()
	c.readBy = time.Time{}
	c.parking.Store(false)
	_ = a.serve(c.forCodec()) // may have parked it again: it is another's now
}

// leave closes a connection that was parked.
func (a *clients) leave(c *clientConn) {
	c.parking.Store(false)
	_ = c.Close()
	a.parked.Add(-1)
}

// resume counts a connection out of the parked when the codec counts it again.
func (c *clientConn) resume() {
	if c.resumed {
		c.resumed = false
		c.all.parked.Add(-1)
	}
}

// evict closes a connection that has waited for a request for a while, to make
// room for a client that has one.
func (a *clients) evict() bool {
	now := time.Now()
	if a.evictParked(now) {
		return true
	}
	if a.evictOther != nil && a.evictOther(now) {
		a.metrics.evicted.Inc()
		return true
	}
	return false
}

func (a *clients) evictParked(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.idle {
		delete(a.idle, c)
		_ = c.raw.Close() // await does the rest; nothing is said, so that nothing waits
		a.metrics.evicted.Inc()
		return true
	}
	for c := range a.greeting {
		if now.Sub(c.accepted) > greetFor {
			delete(a.greeting, c)
			_ = c.raw.Close() // greet does the rest
			a.metrics.evicted.Inc()
			return true
		}
	}
	return false
}

// linger closes the direction to the client, and the other when the client has
// seen what it was told or has had time to.
func (a *clients) linger(c *clientConn) bool {
	a.mu.Lock()
	if a.ended || len(a.lingering) >= mostLinger {
		a.mu.Unlock()
		return false
	}
	a.lingering[c] = struct{}{}
	a.owned.Add(1)
	a.mu.Unlock()
	go func() {
		defer a.owned.Done()
		c.discard()
		a.mu.Lock()
		delete(a.lingering, c)
		a.mu.Unlock()
		_ = c.raw.Close()
	}()
	return true
}

func (c *clientConn) discard() {
	_ = c.CloseWrite()
	var b [4 << 10]byte
	for end := time.Now().Add(lingerMost); ; {
		by := time.Now().Add(lingerPause)
		if by.After(end) {
			by = end
		}
		if c.raw.SetReadDeadline(by) != nil {
			return
		}
		if _, err := c.raw.Read(b[:]); err != nil {
			return
		}
	}
}

// undecided is how many connections have not told their protocol.
func (a *clients) undecided() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(len(a.greeting))
}

// greet runs f, in which a connection tells its protocol; endIdle interrupts it.
func (a *clients) greet(c *clientConn, f func() error) error {
	a.mu.Lock()
	if a.ended {
		a.mu.Unlock()
		return net.ErrClosed
	}
	a.greeting[c] = struct{}{}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.greeting, c)
		a.mu.Unlock()
	}()
	return f()
}

// endIdle closes what is parked or has not even said its protocol, and has
// nothing parked from now on.
func (a *clients) endIdle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	for c := range a.idle {
		_ = c.raw.Close()
	}
	for c := range a.greeting {
		_ = c.raw.Close()
	}
}

// end closes, when ctx ends or after a second, the connections that linger. It
// returns when all goroutines have.
func (a *clients) end(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.owned.Wait()
	}()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-done:
		return
	case <-ctx.Done():
	case <-patience.C:
	}
	a.mu.Lock()
	for c := range a.lingering {
		_ = c.raw.Close()
	}
	a.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done(): // a parked connection was resumed, and its request is still being served
	}
}

// canPark tells whether the connection can be waited for without reading.
func (c *clientConn) canPark() bool {
	_, ok := c.raw.(syscall.Conn)
	return ok
}

// awaitByte waits until there is something to read, and leaves it there.
func (c *clientConn) awaitByte(most time.Duration) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if err := c.raw.SetReadDeadline(time.Now().Add(most)); err != nil {
		return err
	}
	var (
		n    int
		rerr error
	)
	err = raw.Read(func(fd uintptr) bool {
		n, rerr = peek(fd)
		return !errors.Is(rerr, syscall.EAGAIN)
	})
	switch {
	case err != nil:
		return err
	case rerr != nil:
		return rerr
	case n == 0:
		return io.EOF
	}
	return nil
}

// peek looks at a socket's next byte, without waiting for it or taking it.
func peek(fd uintptr) (n int, err error) {
	var b [1]byte
	for {
		n, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

// pending tells whether bytes have come that were not read.
func pending(c syscall.Conn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) { n, _ = peek(fd) })
	return err == nil && n > 0
}
