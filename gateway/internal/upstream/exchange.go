package upstream

import (
	"bytes"
	"io"
	"net/http/httputil"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// earlyAnswerWait is how long an upstream that broke off a request's body is
// given to say why, and how long one that has said why is given to take more.
const earlyAnswerWait = time.Second

// exchange writes the request and reads the response on k. On success it has
// taken care of k and of t's count in flight.
func (p *Pools) exchange(c *Call, t *Target, k *conn) error {
	k.sent, k.answered = false, false
	if p.config.Keepalive == 0 && !c.Request.Header.ConnectionUpgrade() {
		c.Request.SetConnectionClose()
	}
	streamed := c.Request.IsBodyStream() // not any more when it was sent
	err := c.send(k)
	early := err != nil && streamed && k.sent && !isBodyError(err)
	if err != nil && !early {
		return err
	}
	if early {
		// The upstream may have answered (413, say) and closed, or stopped
		// reading, without waiting for the rest of the body.
		_ = k.SetReadDeadline(time.Now().Add(earlyAnswerWait))
	}
	if rerr := c.readHeader(k); rerr != nil {
		if early {
			return err
		}
		return rerr
	}
	return p.body(c, t, k, !early)
}

// send writes the request, and leaves the deadline for reading set. A long
// upload must not end at the deadline of a short request: there the deadline
// is renewed with every write.
func (c *Call) send(k *conn) error {
	streamed := c.Request.IsBodyStream()
	stop := func() {}
	if streamed {
		k.setPace(c.Write)
		_ = k.SetReadDeadline(time.Time{})
		stop = k.listen()
	} else {
		k.setPace(0)
		if err := k.SetDeadline(time.Now().Add(max(c.Write, c.Read))); err != nil {
			return err
		}
	}
	err := c.Request.Write(k.bw)
	if err == nil {
		err = k.bw.Flush()
	}
	stop()
	if err == nil && (streamed || c.Read < c.Write) {
		err = k.SetReadDeadline(time.Now().Add(c.Read))
	}
	return err
}

// readHeader reads the answer's header, past 100 Continue and 103 Early Hints.
func (c *Call) readHeader(k *conn) error {
	h := &c.Response.Header
	for {
		if _, err := k.br.Peek(1); err != nil {
			return err // the codec's error would not tell a time-out from a close
		}
		k.answered = true
		if err := h.Read(k.br); err != nil {
			return err
		}
		if s := h.StatusCode(); s >= 200 || s == fasthttp.StatusSwitchingProtocols {
			return nil
		}
	}
}

// body reads a short body, or leaves the connection to a stream.
func (p *Pools) body(c *Call, t *Target, k *conn, keep bool) error {
	r := c.Response
	status, size := r.Header.StatusCode(), r.Header.ContentLength()
	keep = keep && p.config.Keepalive > 0 && !r.ConnectionClose()
	r.Header.SetProtocol(nil) // the upstream's version is not the client's
	switch {
	case status == fasthttp.StatusSwitchingProtocols:
		_ = k.SetDeadline(time.Time{})
		k.setPace(0)
		c.Upgraded = &upgraded{k: k, target: t}
		return nil
	case c.Request.Header.IsHead() || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified:
		r.SkipBody = true
		p.release(c, t, k, keep)
		return nil
	case size >= 0 && size <= p.config.StreamAbove && !isEventStream(&r.Header):
		if err := r.ReadBody(k.br, p.config.StreamAbove); err != nil {
			return err
		}
		p.release(c, t, k, keep)
		return nil
	}
	s := &stream{pools: p, call: *c, target: t, conn: k, keep: keep, left: -1}
	switch {
	case size >= 0:
		s.src, s.left = io.LimitReader(k.br, int64(size)), int64(size)
		if isEventStream(&r.Header) {
			size = -1 // in chunks, which are sent as they come
		}
	case size == -1:
		s.src, s.chunked = httputil.NewChunkedReader(k.br), true
	default: // until the connection ends
		s.src, s.keep, size = k.br, false, -1
	}
	c.Streamed = true
	r.ImmediateHeaderFlush = true
	r.SetBodyStream(s, size)
	return nil
}

var eventStream = []byte("text/event-stream")

func isEventStream(h *fasthttp.ResponseHeader) bool {
	return bytes.HasPrefix(h.ContentType(), eventStream)
}

// release gives a connection back, or closes it.
func (p *Pools) release(c *Call, t *Target, k *conn, keep bool) {
	t.inflight.Add(-1)
	if c.OnConn != nil {
		c.OnConn(nil)
	}
	// Bytes beyond the answer belong to no request.
	if keep && k.br.Buffered() == 0 {
		t.pool.put(k, p.config.Keepalive)
		return
	}
	k.Close()
}

// upgraded is a connection after 101, read through its buffer.
type upgraded struct {
	k      *conn
	target *Target
	closed atomic.Bool
}

func (u *upgraded) Read(b []byte) (int, error)  { return u.k.br.Read(b) }
func (u *upgraded) Write(b []byte) (int, error) { return u.k.Write(b) }

func (u *upgraded) Close() error {
	if u.closed.CompareAndSwap(false, true) {
		u.target.inflight.Add(-1)
	}
	return u.k.Close()
}
