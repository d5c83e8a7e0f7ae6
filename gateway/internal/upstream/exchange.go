package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// earlyAnswerWait is how long the gateway waits for the answer of an upstream
// that broke off a request's body.
const earlyAnswerWait = time.Second

// exchange writes the request and reads the response on k. On success it has
// taken care of k and of t's count in flight.
func (p *Pools) exchange(c *Call, t *Target, k *conn) error {
	k.begin()
	if p.config.Keepalive == 0 && !c.Request.Header.ConnectionUpgrade() {
		c.Request.SetConnectionClose()
	}
	streamed := c.Request.IsBodyStream() // not any more when it was sent
	c.upload = nil
	c.streamed, c.sentAt = streamed, time.Time{}
	var err error
	if streamed {
		if err = c.sendStream(k); err == nil {
			c.sentAt = time.Now()
		}
	} else {
		err = c.send(k)
	}
	// The upstream may have answered (413, say), or closed, without waiting for
	// the rest of the body.
	early := err != nil && streamed && k.sent && (k.refused.Load() || !isBodyError(err))
	if err != nil && !early {
		return err
	}
	if early && !k.refused.Load() {
		_ = k.SetReadDeadline(time.Now().Add(earlyAnswerWait))
	}
	if rerr := p.readHeader(c, t, k, streamed); rerr != nil {
		if early && !k.refused.Load() {
			return err
		}
		return rerr
	}
	return p.body(c, t, k, !early)
}

// send writes a request whose body, if it has one, is at hand. It leaves the
// deadline for reading set.
func (c *Call) send(k *conn) error {
	k.pace = 0
	if err := k.SetDeadline(time.Now().Add(max(c.Write, c.Read))); err != nil {
		return err
	}
	err := c.Request.Write(k.bw)
	if err == nil {
		err = k.bw.Flush()
	}
	if err == nil && c.Read < c.Write {
		err = k.SetReadDeadline(time.Now().Add(c.Read))
	}
	return err
}

// sendStream writes a request whose body is still coming. A long upload must not
// end at the deadline of a short request: the deadline is renewed with every
// write. An error that the upstream answers meanwhile ends the sending.
func (c *Call) sendStream(k *conn) error {
	c.body.attach(c.Request, k.bw, c.Trailers)
	k.pace = c.Write
	_ = k.SetReadDeadline(time.Time{})
	stop := k.listen(c.OnRefusal)
	err := c.Request.Write(k.bw)
	if err == nil {
		err = k.bw.Flush()
	}
	stop()
	if rerr := k.SetReadDeadline(time.Now().Add(c.Read)); err == nil {
		err = rerr
	}
	return err
}

// bodyWriter passes a request's body on as it comes. The codec would collect 4
// KiB of it, and the header with it, before the upstream saw any.
type bodyWriter struct {
	src      io.Reader
	bw       *bufio.Writer
	header   *fasthttp.RequestHeader
	trailers func() []Field // nil: none
}

// attach puts the writer between a request and its body stream.
func (b *bodyWriter) attach(r *fasthttp.Request, bw *bufio.Writer, trailers func() []Field) {
	b.bw, b.trailers = bw, trailers
	b.header = &r.Header
	if src := r.BodyStream(); src != io.Reader(b) { // else of an attempt before
		b.src = src
		r.SetBodyStream(b, r.Header.ContentLength())
	}
}

// Read is io.Reader's.
func (b *bodyWriter) Read(p []byte) (int, error) { return b.src.Read(p) }

// SupportsBodyWriteTo is fasthttp.BodyWriterTo's.
func (b *bodyWriter) SupportsBodyWriteTo() bool { return true }

// WriteTo is fasthttp.BodyWriterTo's; w frames the body and writes it to b.bw.
func (b *bodyWriter) WriteTo(w io.Writer) (written int64, err error) {
	buf := bodyBuffers.Get().(*[]byte)
	defer bodyBuffers.Put(buf)
	for {
		if err := b.bw.Flush(); err != nil { // the next read may have to wait
			return written, err
		}
		n, err := b.src.Read(*buf)
		if n > 0 {
			if _, werr := w.Write((*buf)[:n]); werr != nil {
				return written, werr
			}
			written += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			b.addTrailers()
			return written, nil
		case err != nil:
			return written, err
		}
	}
}

// addTrailers has the codec, which has sent the header, send the trailers behind
// the last chunk.
func (b *bodyWriter) addTrailers() {
	if b.trailers == nil || b.header.ContentLength() >= 0 {
		return
	}
	all := b.trailers()
	_ = b.header.AddTrailer(NamesOf(all)) // of one that the codec refuses, nothing is sent
	for _, f := range all {
		b.header.Add(f.Name, f.Value)
	}
}

// NamesOf is a list of the fields' names, for a codec that looks through those that it
// has at each call: there may be thousands.
func NamesOf(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return strings.Join(names, ",")
}

var bodyBuffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

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
	early := k.reused && !streamed && (short || len(c.Request.Body()) == 0) && k.wire.unacknowledged()
	k.answered = !early
	left := p.config.HeaderBytes
	for passed := range mostInterim + 1 {
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
		if c.OnInterim != nil && passed < mostInterim && h.StatusCode() != fasthttp.StatusContinue { // which answers the gateway's own words
			c.OnInterim(h)
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
	// Where the next attempt follows, it would be sent at once on the connection
	// that was used last, and take bytes behind this answer for its own.
	discarded := c.retry.another(c.retry.outcome(c, k, nil))
	keep = keep && p.config.Keepalive > 0 && !k.doubtful && !discarded && !r.ConnectionClose()
	r.Header.SetProtocol(nil) // the upstream's version is not the client's
	switch {
	case status == fasthttp.StatusSwitchingProtocols:
		if !switches(&c.Request.Header, &r.Header) {
			return unreadable("101 Switching Protocols to %.40q, which was not asked for", r.Header.Peek("Upgrade"))
		}
		_ = k.SetDeadline(time.Time{})
		k.pace = 0
		c.Upgraded = newUpgradedConn(k, t)
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
		s.src = k.br
		s.keep = false
		size = -1
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
