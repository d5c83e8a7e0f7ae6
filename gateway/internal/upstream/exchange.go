package upstream

import (
	"bytes"
	"errors"
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
	k.sent, k.answered, k.doubtful, k.wrote = false, false, false, 0
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
	if rerr := p.readHeader(c, t, k, streamed); rerr != nil {
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

// errUnsolicited says that what was read is no answer to the request.
var errUnsolicited = errors.New("the upstream sent bytes before it had the request")

// oneSegment is less than what one TCP segment carries: a peer has all of so
// short a request, or nothing.
const oneSegment = 1200

// readHeader reads the answer's header, past interim answers: 100 Continue, 103
// Early Hints. All of them together are bounded.
//
// On a kept connection the first bytes may have been on their way before the
// request was: then they belong to no request. The look before the reuse cannot
// see them. But an answer confirms, as TCP, what it answers; so bytes that are
// there while the request is unconfirmed are not its answer. That is certain of
// requests that cannot be answered before they are complete. What remains is an
// upstream that sends unasked after its side has confirmed the request: HTTP/1.1
// has nothing to tell that from an answer.
func (p *Pools) readHeader(c *Call, t *Target, k *conn, streamed bool) error {
	h := &c.Response.Header
	if _, err := k.br.Peek(1); err != nil {
		return err // the codec's error would not tell a time-out from a close
	}
	short := k.wrote <= oneSegment
	early := k.reused && !streamed && (short || len(c.Request.Body()) == 0) && k.socket.unacknowledged()
	k.answered = !early
	left := p.config.HeaderBytes
	for range mostInterim + 1 {
		n, err := k.readHead(h, left)
		if early && (short || err != nil || h.StatusCode() < fasthttp.StatusBadRequest) {
			p.metrics.unsolicitedBytes(t, whenSending)
			return errUnsolicited
		}
		if err != nil {
			return err
		}
		k.answered = true
		if s := h.StatusCode(); s >= 200 || s == fasthttp.StatusSwitchingProtocols {
			return nil
		}
		left -= n
	}
	return unreadable("more than %d interim answers", mostInterim)
}

// body reads a short body, or leaves the connection to a stream.
func (p *Pools) body(c *Call, t *Target, k *conn, keep bool) error {
	r := c.Response
	status, size := r.Header.StatusCode(), r.Header.ContentLength()
	switch status {
	case fasthttp.StatusNoContent:
		k.doubtful = k.doubtful || size > 0 || size == -1 // it announces a body that it must not have
	case fasthttp.StatusNotModified:
		k.doubtful = k.doubtful || size == -1
	}
	keep = keep && p.config.Keepalive > 0 && !k.doubtful && !r.ConnectionClose()
	r.Header.SetProtocol(nil) // the upstream's version is not the client's
	switch {
	case status == fasthttp.StatusSwitchingProtocols:
		if !switches(&c.Request.Header, &r.Header) {
			return unreadable("101 Switching Protocols to %.40q, which was not asked for", r.Header.Peek("Upgrade"))
		}
		_ = k.SetDeadline(time.Time{})
		k.setPace(0)
		c.Upgraded = &upgraded{k: k, target: t}
		return nil
	case c.Request.Header.IsHead() || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified:
		r.SkipBody = true
		p.release(c, t, k, keep, true)
		return nil
	case size == 0 || size > 0 && size <= p.config.StreamAbove && !isEventStream(&r.Header) && !c.Unbuffered:
		if err := r.ReadBody(k.br, p.config.StreamAbove); err != nil {
			return err
		}
		p.release(c, t, k, keep, true)
		return nil
	}
	s := &stream{pools: p, call: *c, target: t, conn: k, keep: keep, left: -1}
	switch {
	case size >= 0:
		s.src, s.left = k.br, int64(size)
		if isEventStream(&r.Header) {
			size = -1 // in chunks, which are sent as they come
		}
	case size == -1:
		s.src = &chunkReader{br: k.br, most: p.config.HeaderBytes}
	default: // until the connection ends
		s.src, s.keep, size = k.br, false, -1
	}
	s.sized = size >= 0
	c.Streamed, c.stream = true, s
	r.ImmediateHeaderFlush = true
	r.SetBodyStream(s, size)
	return nil
}

// switches tells whether a 101 is an answer to what the request asked for.
func switches(asked *fasthttp.RequestHeader, answer *fasthttp.ResponseHeader) bool {
	protocol := asked.Peek("Upgrade")
	if len(protocol) == 0 || !asked.ConnectionUpgrade() || !answer.IsHTTP11() {
		return false
	}
	lines := answer.PeekAll("Upgrade")
	return len(lines) == 1 && bytes.EqualFold(protocol, lines[0])
}

var eventStream = []byte("text/event-stream")

func isEventStream(h *fasthttp.ResponseHeader) bool {
	return bytes.HasPrefix(h.ContentType(), eventStream)
}

// release gives a connection back, or closes it. ended says that the answer was
// read to its end.
func (p *Pools) release(c *Call, t *Target, k *conn, keep, ended bool) {
	t.inflight.Add(-1)
	if c.OnConn != nil {
		c.OnConn(nil)
	}
	// Bytes beyond the answer belong to no request.
	beyond := k.br.Buffered() > 0
	if beyond && ended {
		p.metrics.unsolicitedBytes(t, whenAnswered)
	}
	if keep && ended && !beyond && !t.isDistrusted() {
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
