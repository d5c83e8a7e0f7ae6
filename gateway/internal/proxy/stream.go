package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/h2"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// stream is a request of HTTP/2 with its answer, in the form in which Handler
// takes a request of HTTP/1.1. Streams are reused.
type stream struct {
	http2  *http2Server
	ctx    fasthttp.RequestCtx
	plain  streamConn
	secure secureStreamConn

	head []byte // the header as one of HTTP/1.1
	src  bytes.Reader
	br   *bufio.Reader
	body *streamBody // nil: none. Of one request only: who still reads it when that has ended must not meet another
	out  streamWriter

	fields []h2.Field // of the answer
	length [20]byte   // digits
}

// streamConn is the connection that a stream stands for.
type streamConn struct {
	net.Conn // only its addresses are asked for
	client   *clientConn
	stream   *h2.Stream
	body     *streamBody      // nil: none
	trailers []upstream.Field // of the answer, once its body has been read
}

// isGone tells whether the client has taken the request back, or gone.
func (c *streamConn) isGone() bool { return c.stream.Gone() }

// secureStreamConn is one over TLS.
type secureStreamConn struct{ *streamConn }

func (c secureStreamConn) tlsLayer() *secureLayer { return c.client.secure }

// Handshake is *tls.Conn's.
func (c secureStreamConn) Handshake() error { return nil }

// ConnectionState is *tls.Conn's.
func (c secureStreamConn) ConnectionState() tls.ConnectionState { return c.client.secure.state }

// streamOf is the stream behind a connection as Handler sees it; nil where the
// request came over HTTP/1.1.
func streamOf(c net.Conn) *streamConn {
	switch c := c.(type) {
	case *streamConn:
		return c
	case secureStreamConn:
		return c.streamConn
	}
	return nil
}

func newStream(h *http2Server, headerBytes int) *stream {
	if headerBytes == 0 {
		headerBytes = http.DefaultMaxHeaderBytes
	}
	x := &stream{http2: h}
	// The codec counts 32 bytes for each field, and allows for some fields more.
	x.br = bufio.NewReaderSize(&x.src, headerBytes+4<<10)
	x.secure = secureStreamConn{&x.plain}
	return x
}

// serve answers a request. Where the answer breaks off, it does not end the stream.
func (x *stream) serve(conn *http2Conn, s *h2.Stream) {
	bounds, m := &conn.client.all.bounds, conn.client.all.metrics
	if s.Body && s.Length != 0 {
		x.body = newStreamBody(s, bounds, m)
	}
	x.out = streamWriter{stream: s, bounds: bounds, metrics: m, left: bounds.write}
	x.plain = streamConn{Conn: conn.client, client: conn.client, body: x.body, stream: s}
	var c net.Conn = &x.plain
	if conn.client.secure != nil {
		c = x.secure
	}
	x.ctx.Init2(c, nullLogger{}, false)
	x.ctx.Response.Header.SetNoDefaultContentType(true)
	defer x.release()
	if err := x.read(&s.Request); err != nil {
		x.http2.server.proxy.badRequest(&x.ctx, err)
	} else {
		x.ctx.Response.SkipBody = x.ctx.IsHead()
		x.http2.server.proxy.Handler(&x.ctx)
	}
	x.answer()
	if x.http2.server.draining.Load() {
		conn.codec.GoAway()
	}
}

// release forgets the request.
func (x *stream) release() {
	_ = x.ctx.Response.CloseBodyStream() // ends the visit, where answer has not
	x.body = nil
	x.ctx.ResetUserValues()
	x.ctx.Request.Reset()
	x.ctx.Response.Reset()
	x.plain, x.out = streamConn{}, streamWriter{}
	clear(x.fields)
	x.fields = x.fields[:0]
	if cap(x.head) > 64<<10 {
		x.head = nil
	}
}

// answer sends what Handler has made. Where it fails, it leaves the stream without
// its end: the client must not take what it got for the whole.
func (x *stream) answer() {
	res := &x.ctx.Response
	status := res.StatusCode()
	bodiless := res.SkipBody || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified
	x.fields = appendAnswer(x.fields[:0], &res.Header)
	switch {
	case res.IsBodyStream() && !bodiless:
		if n := res.Header.ContentLength(); n >= 0 {
			x.setLength(n)
		}
		if x.out.stream.SendHead(status, x.fields, false) == nil && x.out.copy(res.BodyStream()) {
			x.end()
		}
		return
	case bodiless && len(res.Body()) == 0:
		if had := res.Header.Peek(fasthttp.HeaderContentLength); len(had) > 0 && status != fasthttp.StatusNoContent {
			x.fields = append(x.fields, h2.Field{Name: contentLengthName, Value: had})
		}
	case status != fasthttp.StatusNoContent: // which has no length, whatever body a plugin has made
		x.setLength(len(res.Body()))
	}
	body := res.Body()
	if bodiless {
		body = nil
	}
	alone := len(body) == 0 && len(x.plain.trailers) == 0
	if x.out.stream.SendHead(status, x.fields, alone) != nil {
		return
	}
	switch {
	case alone:
		x.out.stream.Flush()
	case len(x.plain.trailers) == 0:
		x.out.send(body, true)
	case x.out.send(body, false):
		x.end()
	}
}

var contentLengthName = []byte("content-length")

func (x *stream) setLength(n int) {
	x.fields = append(x.fields, h2.Field{Name: contentLengthName, Value: strconv.AppendInt(x.length[:0], int64(n), 10)})
}

// end ends an answer, with the trailers that there are.
func (x *stream) end() {
	if len(x.plain.trailers) == 0 {
		x.out.send(nil, true)
		return
	}
	x.fields = x.fields[:0]
	for _, f := range x.plain.trailers {
		x.fields = append(x.fields, h2.Field{Name: []byte(f.Name), Value: []byte(f.Value)})
	}
	if x.out.stream.SendTrailers(x.fields) == nil {
		x.out.stream.Flush()
	}
}

// streamWriter sends a body within the limits of a client that takes it.
type streamWriter struct {
	stream  *h2.Stream
	bounds  *bounds
	metrics *clientMetrics
	left    time.Duration // credit, as clientConn's
}

// send sends bytes, and returns false where the client did not take them.
func (o *streamWriter) send(b []byte, ended bool) bool {
	for {
		part := b[:min(len(b), copyBufferSize)]
		b = b[len(part):]
		last := len(b) == 0
		waited, err := o.stream.Send(part, ended && last, o.left)
		o.left = credit(o.left, o.bounds.write, o.bounds.writeRate, waited, len(part))
		switch {
		case errors.Is(err, h2.ErrTimeout):
			o.metrics.write.Inc()
			return false
		case err != nil:
			return false
		case last && ended:
			return true
		case o.left <= 0:
			return false
		case last:
			return true
		}
	}
}

// copy sends a body as it comes.
func (o *streamWriter) copy(body io.Reader) bool {
	o.stream.Flush() // the header, before the first of the body
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := body.Read(*buf)
		if n > 0 && !o.send((*buf)[:n], false) {
			return false
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
