package proxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/socket"
)

// When one side of a tunnel has ended its direction, the other may go on with
// pauses of at most halfPause, and for halfMost in all.
const (
	halfPause = 5 * time.Second
	halfMost  = 30 * time.Second
)

// tunnelEnd is either connection of a tunnel.
type tunnelEnd interface {
	io.Writer
	ReadScratch(s *socket.Scratch) ([]byte, error)
	SetReadDeadline(t time.Time) error
	CloseWrite() error
}

// tunnel passes bytes both ways after 101, until both sides have ended their
// direction, one of them fails, or nothing passes for too long.
type tunnel struct {
	idle    time.Duration // longest time without a byte in either direction
	metrics *tunnelMetrics
	opened  time.Time
	active  atomic.Int64 // when a byte passed last, since opened
	half    atomic.Int64 // when a direction ended, since opened; 0: none has

	received, sent int64 // from, to the client
	mu             sync.Mutex
	reason         string // why it ended
}

// Why a tunnel ended, as the access log says it.
const (
	endClient        = "client closed"
	endUpstream      = "upstream closed"
	endIdle          = "idle"
	endDrain         = "drain"
	endHalf          = "half closed"
	endClientError   = "client failed"
	endUpstreamError = "upstream failed"
)

// splice joins the client's connection with the upstream's after 101. The
// visit ends with the tunnel: whatever becomes of the client, the upstream's
// connection is closed, and the request is counted and logged.
func (v *visit) splice() {
	peer, _ := v.forwarding.call.Upgraded.(tunnelEnd)
	p, closePeer := v.proxy, v.forwarding.call.Upgraded.Close
	if w, ok := v.forwarding.call.Upgraded.(interface{ SetWritePause(d time.Duration) }); ok {
		w.SetWritePause(v.forwarding.call.Write)
	}
	head := append([]byte(nil), v.Ctx.Response.Header.Header()...)
	v.record.tunnel = &tunnel{idle: v.forwarding.call.Read, metrics: p.tunnels, opened: v.Started}
	v.forwarding.call.Streamed = true // what was sent is counted here
	client := clientOf(v.Ctx.Conn())  // HTTP/2 has no Upgrade
	p.busy.Add(-1)                    // a drain waits for tunnels apart from requests
	finish := func() {
		p.busy.Add(1)
		v.Sent = v.record.tunnel.sent
		v.finish()
	}
	stop := func() { _ = client.Close(); _ = closePeer() }
	p.handovers.handOver(v.Ctx, func(early []byte) {
		defer finish()
		defer stop()
		_, err := client.Write(head)
		head = nil // not for as long as the tunnel lasts
		if err != nil {
			v.record.tunnel.why(endClientError)
			return
		}
		v.record.tunnel.run(newClientEnd(client, early), peer, stop)
		if p.handovers.cut.Load() {
			v.record.tunnel.reason = endDrain
		}
	}, func() {
		_ = closePeer()
		v.record.tunnel.why(endClientError)
		finish()
	})
}

// run returns when both directions have ended. stop closes both connections,
// for when the end of one direction must be the end of the other.
func (t *tunnel) run(client, upstream tunnelEnd, stop func()) {
	t.metrics.opened.Inc()
	t.metrics.open.Inc()
	defer t.metrics.open.Dec()
	if t.idle <= 0 {
		t.idle = time.Minute // as for every other wait for a service
	}
	t.active.Store(int64(time.Since(t.opened)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		up := pump{t, upstream, client, t.metrics.toUpstream.Add, &t.received, endClient, endClientError, endUpstreamError}
		if !up.run() {
			stop()
		}
	}()
	down := pump{t, client, upstream, t.metrics.toClient.Add, &t.sent, endUpstream, endUpstreamError, endClientError}
	if !down.run() {
		stop()
	}
	<-done
}

// why notes the first reason for which the tunnel ended.
func (t *tunnel) why(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reason == "" {
		t.reason = reason
	}
}

func (t *tunnel) bytesReceived() int64 {
	if t == nil {
		return 0
	}
	return t.received
}

// left is how long a direction may still wait for a byte.
func (t *tunnel) left() (time.Duration, string) {
	now := time.Since(t.opened)
	quiet := now - time.Duration(t.active.Load())
	half := time.Duration(t.half.Load())
	if half == 0 {
		return t.idle - quiet, endIdle
	}
	since := now - half
	return min(halfPause-min(quiet, since), halfMost-since), endHalf
}

// pump is one direction of a tunnel.
type pump struct {
	*tunnel
	to, from   tunnelEnd
	count      func(float64)
	passed     *int64
	ended      string // reasons
	readError  string
	writeError string
}

// run returns false where the other direction must end as well.
func (p pump) run() bool {
	scratch := socket.Scratch{Pool: &copyBuffers}
	defer scratch.Release()
	_ = p.from.SetReadDeadline(time.Now().Add(p.idle))
	for {
		b, err := p.from.ReadScratch(&scratch)
		if len(b) > 0 {
			p.active.Store(int64(time.Since(p.opened)))
			if _, werr := p.to.Write(b); werr != nil {
				p.why(p.writeError)
				return false
			}
			*p.passed += int64(len(b))
			p.count(float64(len(b)))
			p.active.Store(int64(time.Since(p.opened))) // to wait for the other side is not to be idle
		}
		scratch.Release()
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return p.endHalf()
		case isTimeout(err):
			// The deadline was set long ago; the other direction may have been busy.
			left, why := p.left()
			if left <= 0 {
				p.why(why)
				return false
			}
			_ = p.from.SetReadDeadline(time.Now().Add(left))
		default:
			p.why(p.readError)
			return false
		}
	}
}

// endHalf passes on that one side has nothing more to send, and gives the other
// a while to finish.
func (p pump) endHalf() bool {
	p.why(p.ended)
	first := p.half.CompareAndSwap(0, max(1, int64(time.Since(p.opened))))
	if err := p.to.CloseWrite(); err != nil {
		return false
	}
	if first {
		// The other direction reads what this one writes to.
		left, _ := p.left()
		_ = p.to.SetReadDeadline(time.Now().Add(left))
	}
	return true
}
