package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

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
	body *streamBody   // of one request each: a timer that is late must not
	out  *streamWriter // meet another request
}

// streamConn is the connection that a stream stands for.
type streamConn struct {
	net.Conn // only its addresses are asked for
	client   *clientConn
	body     *streamBody
	writer   http.ResponseWriter
	trailers []upstream.Field // of the answer, once its body has been read
	lifetime context.Context
}

// isGone tells whether the client has taken the request back, or gone.
func (c *streamConn) isGone() bool { return c.lifetime.Err() != nil }

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

// serve answers a request. It returns false where the answer broke off.
func (x *stream) serve(conn *http2Conn, w http.ResponseWriter, r *http.Request) (whole bool) {
	bounds, m := &conn.client.all.bounds, conn.client.all.metrics
	x.body, x.out = newStreamBody(r, w, bounds, m), newStreamWriter(w, bounds, m)
	x.plain = streamConn{Conn: conn, client: conn.client, body: x.body, writer: w, lifetime: r.Context()}
	var c net.Conn = &x.plain
	if conn.client.secure != nil {
		c = x.secure
	}
	x.ctx.Init2(c, nullLogger{}, false)
	x.ctx.Response.Header.SetNoDefaultContentType(true)
	defer x.release()
	if err := x.read(r); err != nil {
		x.http2.server.proxy.badRequest(&x.ctx, err)
	} else {
		x.ctx.Response.SkipBody = x.ctx.IsHead()
		x.http2.server.proxy.Handler(&x.ctx)
	}
	return x.answer(w)
}

// release forgets the request.
func (x *stream) release() {
	_ = x.ctx.Response.CloseBodyStream() // ends the visit, where answer has not
	x.body.end()
	x.out.end()
	x.body, x.out = nil, nil
	x.ctx.ResetUserValues()
	x.ctx.Request.Reset()
	x.ctx.Response.Reset()
	x.plain = streamConn{}
	if cap(x.head) > 64<<10 {
		x.head = nil
	}
}

// answer sends what Handler has made. It returns false where the client must not
// take what it got for the whole.
func (x *stream) answer(w http.ResponseWriter) bool {
	res := &x.ctx.Response
	status := res.StatusCode()
	bodiless := res.SkipBody || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified
	fields := w.Header()
	copyAnswer(fields, &res.Header)
	if x.http2.server.draining.Load() {
		fields.Set("Connection", "close") // by which the codec sends GOAWAY
	}
	switch {
	case res.IsBodyStream() && !bodiless:
		if n := res.Header.ContentLength(); n >= 0 {
			setLength(fields, n)
		}
		w.WriteHeader(status)
		whole := x.out.copy(res.BodyStream())
		x.addTrailers(fields)
		return whole
	case bodiless && len(res.Body()) == 0:
		if had := res.Header.Peek(fasthttp.HeaderContentLength); len(had) > 0 && status != fasthttp.StatusNoContent {
			fields.Set(fasthttp.HeaderContentLength, string(had))
		}
	default:
		setLength(fields, len(res.Body()))
	}
	w.WriteHeader(status)
	if bodiless {
		return true
	}
	whole := x.out.write(res.Body())
	x.addTrailers(fields)
	return whole
}

// streamWriter sends a body within the limits of a client that takes it.
type streamWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	bounds  *bounds
	metrics *clientMetrics
	left    time.Duration // credit, as clientConn's

	mu    sync.Mutex
	timer *time.Timer
	open  bool // w may be used
	late  bool
}

func newStreamWriter(w http.ResponseWriter, b *bounds, m *clientMetrics) *streamWriter {
	return &streamWriter{w: w, control: http.NewResponseController(w), bounds: b, metrics: m, left: b.write, open: true}
}

// end has nothing use w any more.
func (o *streamWriter) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.timer != nil {
		o.timer.Stop()
	}
	o.open = false
}

// expire resets a stream whose client takes nothing.
func (o *streamWriter) expire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open && !o.late {
		o.late = true
		o.metrics.write.Inc()
		_ = o.control.SetWriteDeadline(longAgo)
	}
}

// write sends bytes, and returns false where the client did not take them.
func (o *streamWriter) write(b []byte) bool {
	for len(b) > 0 {
		part := b[:min(len(b), copyBufferSize)]
		if !o.send(part) {
			return false
		}
		b = b[len(part):]
	}
	return true
}

func (o *streamWriter) send(b []byte) bool {
	if o.timer == nil {
		o.timer = time.AfterFunc(o.left, o.expire)
	} else {
		o.timer.Reset(o.left)
	}
	began := time.Now()
	_, err := o.w.Write(b)
	if err == nil {
		err = o.control.Flush()
	}
	o.timer.Stop()
	o.left = credit(o.left, o.bounds.write, o.bounds.writeRate, time.Since(began), len(b))
	return err == nil && o.left > 0
}

// copy sends a body as it comes.
func (o *streamWriter) copy(body io.Reader) bool {
	if err := o.control.Flush(); err != nil { // the header, before the first of the body
		return false
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := body.Read(*buf)
		if n > 0 && !o.send((*buf)[:n]) {
			return false
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// addTrailers has the codec send the trailers of the answer.
func (x *stream) addTrailers(to http.Header) {
	for _, f := range x.plain.trailers {
		key := http.TrailerPrefix + f.Name
		to[key] = append(to[key], f.Value)
	}
}
