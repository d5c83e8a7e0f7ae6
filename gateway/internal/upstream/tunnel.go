package upstream

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/socket"
)

// smallMessage is what a tunnel over TLS reads without a buffer from a pool, in bytes.
const smallMessage = 512

// upgradedConn is a connection after 101. It may be idle for long, so it is used
// without the buffers that it had as one of HTTP.
type upgradedConn struct {
	k      *conn
	target *Target
	closed atomic.Bool
	early  []byte // came behind the 101, and was not read yet

	small   []byte        // over TLS
	pause   time.Duration // how long one write may wait; 0: as long as it likes
	writeBy time.Time     // the deadline that is set
}

func newUpgradedConn(k *conn, t *Target) *upgradedConn {
	u := &upgradedConn{k: k, target: t}
	early, _ := k.br.Peek(k.br.Buffered())
	u.early = bytes.Clone(early)
	k.br, k.bw = nil, nil
	return u
}

// Read is net.Conn's.
func (u *upgradedConn) Read(b []byte) (int, error) {
	if len(u.early) > 0 {
		n := copy(b, u.early)
		u.early = u.early[n:]
		return n, nil
	}
	return u.k.Read(b)
}

// ReadScratch is Read into a buffer that is taken when there is something to read.
func (u *upgradedConn) ReadScratch(s *socket.Scratch) ([]byte, error) {
	if early := u.early; len(early) > 0 {
		u.early = nil
		return early, nil
	}
	if u.k.wire.records == nil {
		return u.k.wire.ReadScratch(s)
	}
	if u.small == nil {
		u.small = make([]byte, smallMessage)
	}
	return s.ReadLayered(layered{u.k}, u.small)
}

// layered reads through TLS.
type layered struct{ k *conn }

// Read is net.Conn's.
func (l layered) Read(b []byte) (int, error) { return l.k.Read(b) }

// ReadNow is socket.Layered's.
func (l layered) ReadNow(b []byte) (int, error) {
	w := l.k.wire
	if !w.IsPollable() {
		return 0, socket.ErrNothing
	}
	w.poll = true
	defer func() { w.poll = false }()
	return l.k.Read(b)
}

// Write is net.Conn's. A deadline costs as much as a short write, so one is set for
// longer than a write may wait, by a quarter but at most a second, and serves the
// writes of that time.
func (u *upgradedConn) Write(b []byte) (int, error) {
	if u.pause > 0 {
		now := time.Now()
		if u.writeBy.Sub(now) < u.pause {
			u.writeBy = now.Add(u.pause + min(u.pause/4, time.Second))
			if err := u.k.SetWriteDeadline(u.writeBy); err != nil {
				return 0, err
			}
		}
	}
	return u.k.Write(b)
}

// SetReadDeadline is net.Conn's.
func (u *upgradedConn) SetReadDeadline(t time.Time) error { return u.k.SetReadDeadline(t) }

// SetWritePause is how long one write may wait for the upstream.
func (u *upgradedConn) SetWritePause(d time.Duration) { u.pause = d }

// CloseWrite tells the upstream that nothing more comes.
func (u *upgradedConn) CloseWrite() error {
	if half, ok := u.k.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return u.k.Close()
}

// Close is net.Conn's.
func (u *upgradedConn) Close() error {
	if u.closed.CompareAndSwap(false, true) {
		u.target.inflight.Add(-1)
	}
	return u.k.Close()
}
