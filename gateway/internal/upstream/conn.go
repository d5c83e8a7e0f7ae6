package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/socket"
)

// longAgo is a deadline that ends a read or write under way.
var longAgo = time.Unix(1, 0)

// conn is one connection to a target, with its buffers.
type conn struct {
	net.Conn
	wire   *wire  // below TLS
	name   string // that TLS asked for; "" without
	br     *bufio.Reader
	bw     *bufio.Writer
	reused bool
	idleAt time.Time

	// Of the request under way.
	sent     bool          // bytes of it have left
	wrote    int           // bytes of it that have left
	answered bool          // bytes of its response have come
	doubtful bool          // others may see another end of its response
	pace     time.Duration // if not 0, the write deadline is renewed with every write
	refused  atomic.Bool   // an error was answered before the whole request was sent
}

// begin makes the connection ready for a request.
func (k *conn) begin() {
	k.sent = false
	k.answered = false
	k.doubtful = false
	k.wrote = 0
	k.refused.Store(false)
}

var errRefused = errors.New("the upstream answered before the whole request was sent")

// Write notes that the request is on its way: until then it may be retried
// on another connection, whatever its method.
func (k *conn) Write(b []byte) (int, error) {
	if k.pace > 0 {
		_ = k.SetWriteDeadline(time.Now().Add(k.pace))
		if k.refused.Load() { // looked at behind the deadline, which may have overwritten listen's
			return 0, errRefused
		}
	}
	n, err := k.Conn.Write(b)
	k.sent = k.sent || n > 0
	k.wrote += n
	return n, err
}

// listen looks out for an error that the upstream answers while a body is still
// being sent to it. Then it ends the write under way, and calls onRefusal, if
// that is set: the rest of the body is not wanted. stop ends it, and leaves the
// read deadline passed.
func (k *conn) listen(onRefusal func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		const line = len("HTTP/1.1 4")
		if head, err := k.br.Peek(line); err != nil || head[line-1] < '4' {
			return // other answers may go on together with the body
		}
		k.refused.Store(true)
		_ = k.SetWriteDeadline(longAgo)
		if onRefusal != nil {
			onRefusal()
		}
	}()
	return func() {
		_ = k.SetReadDeadline(longAgo)
		<-done
	}
}

// bufferSize holds most responses' header block and a small body. A longer
// block is read through a buffer that only it needs.
const bufferSize = 16 << 10

// dial opens a connection; name is the server's for TLS.
func (t *Target) dial(timeout time.Duration, name string) (*conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	nc, err := t.host.dial(ctx)
	if err != nil {
		return nil, &DialError{Address: t.Address, Err: err}
	}
	s := newWire(nc)
	k := &conn{Conn: s, wire: s, name: name}
	if t.tls != nil {
		s.records = &records{}
		tc := tls.Client(s, t.tlsFor(name))
		if err := tc.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, &DialError{Address: t.Address, Err: err, foreignName: t.isForeign(name)}
		}
		k.Conn = tc
	}
	k.br = bufio.NewReaderSize(k.Conn, bufferSize)
	k.bw = bufio.NewWriterSize(k, 4<<10)
	return k, nil
}

// idleState is how an idle connection is found.
type idleState uint8

const (
	quiet   idleState = iota // it can be used
	ended                    // the peer has closed it
	talking                  // the peer has sent what nothing asked for
)

// look finds out, without waiting, whether an idle connection can be used. Any
// byte on it would be taken for the next answer. What belongs to TLS itself, a
// session ticket say, is read and harms nothing.
func (k *conn) look() idleState {
	if k.br.Buffered() > 0 {
		return talking
	}
	s := k.wire
	if !s.IsPollable() {
		return quiet
	}
	if s.records != nil {
		_ = k.SetWriteDeadline(time.Time{}) // TLS may have to answer, and a deadline that has passed would be final
	}
	s.poll = true
	_, err := k.br.Peek(1)
	s.poll = false
	switch {
	case err == nil:
		return talking
	case !errors.Is(err, socket.ErrNothing):
		return ended
	case s.records != nil && !s.records.whole():
		return talking
	}
	return quiet
}

// DialError says that a target could not be reached: nothing was sent to it.
type DialError struct {
	Address string
	Err     error
	// foreignName says that it was the TLS handshake that failed, for a server name that
	// the request has brought along.
	foreignName bool
}

func (e *DialError) Error() string { return fmt.Sprintf("connect to %s: %v", e.Address, e.Err) }

// Unwrap gives the cause.
func (e *DialError) Unwrap() error { return e.Err }
