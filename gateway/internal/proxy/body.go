package proxy

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/upstream"
)

// errBodyTooLarge ends a body of unknown length that goes beyond the limit.
var errBodyTooLarge = errors.New("request body is larger than max_body_bytes")

// admitBody refuses a body that says itself that it is too large.
func (v *visit) admitBody() bool {
	size, most := int64(v.Ctx.Request.Header.ContentLength()), v.proxy.config.MaxBodyBytes
	if most > 0 && size > most {
		v.tooLarge()
		return false
	}
	return true
}

// readShort reads a short body whole, unless the route wants it passed on as it
// comes.
func (v *visit) readShort() bool {
	in := &v.Ctx.Request
	size := int64(in.Header.ContentLength())
	if size <= 0 || size > v.proxy.config.StreamAbove || !in.IsBodyStream() || !v.Route.RequestBuffering {
		return true
	}
	// Not Body(): it would take a body that was broken off for a whole one, and
	// an error's text for a body.
	v.body = slices.Grow(v.body[:0], int(size))[:size]
	if _, err := io.ReadFull(in.BodyStream(), v.body); err != nil {
		v.badBody(err)
		return false
	}
	if c, ok := v.Ctx.Conn().(*clientConn); ok {
		c.whole()
	}
	in.SetBodyRaw(v.body)
	return true
}

func (v *visit) tooLarge() {
	v.reply(fasthttp.StatusRequestEntityTooLarge, "Request size limit exceeded")
	v.Ctx.Response.SetConnectionClose()
}

// badBody answers a client whose body did not come.
func (v *visit) badBody(err error) {
	v.failure = fmt.Errorf("read the request body: %w", err)
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		v.reply(fasthttp.StatusRequestTimeout, "Request body timeout")
	} else {
		v.reply(fasthttp.StatusBadRequest, "Bad request")
	}
	v.Ctx.Response.SetConnectionClose()
}

// attachBody gives the request's body to the upstream's request: whole when it
// is here, else as a stream.
func (v *visit) attachBody(req *fasthttp.Request) {
	in := &v.Ctx.Request
	if !in.IsBodyStream() {
		if b := in.Body(); len(b) > 0 {
			req.SetBodyRaw(b)
		}
		return
	}
	size := in.Header.ContentLength()
	if size == 0 {
		return
	}
	u := v.incoming()
	u.head = v.head
	req.SetBodyStream(u, size)
}

// incoming is the body of the request as a stream, with what bounds it.
func (v *visit) incoming() *upload {
	in := &v.Ctx.Request
	if v.upload.src == nil {
		v.upload = upload{src: in.BodyStream(), size: int64(in.Header.ContentLength()), most: v.proxy.config.MaxBodyBytes}
		if v.upload.size < 0 {
			v.upload.chunks = newChunks(v.upload.src)
		}
		v.upload.client, _ = v.Ctx.Conn().(*clientConn)
	}
	return &v.upload
}

// upload is a request body on its way. Its errors are *upstream.BodyError: the
// client's fault, not the upstream's. An error stays: the codec asks again
// after one that came together with bytes, and would go on behind the break.
type upload struct {
	client *clientConn
	src    io.Reader
	head   []byte // comes before src: a plugin has read it
	chunks chunks
	size   int64 // -1: unknown
	read   int64
	most   int64 // 0: no limit
	end    error // once there is no more; io.EOF after a whole body
}

func (u *upload) Read(b []byte) (int, error) {
	if len(u.head) > 0 {
		n := copy(b, u.head)
		u.head = u.head[n:]
		return n, nil
	}
	if u.end != nil {
		return 0, u.end
	}
	next, err := u.chunks.check()
	switch {
	case errors.Is(err, errBodyEnd):
		return u.whole(0)
	case err != nil:
		return u.fail(err)
	}
	if u.most > 0 && next > u.most-u.read {
		return u.fail(errBodyTooLarge) // it need not come for that
	}
	n, err := u.src.Read(b)
	u.read += int64(n)
	if u.client != nil {
		u.client.paid(n)
	}
	switch {
	case u.most > 0 && u.read > u.most:
		return u.fail(errBodyTooLarge)
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return u.fail(err)
	case u.read < u.size:
		return u.fail(io.ErrUnexpectedEOF)
	case u.client != nil && u.client.broken != nil:
		// The codec takes some ends of the connection for the end of the trailers.
		return u.fail(u.client.broken)
	}
	return u.whole(n)
}

// whole ends a body that has come to its end, with its last n bytes.
func (u *upload) whole(n int) (int, error) {
	u.end = io.EOF
	if u.client != nil {
		u.client.whole()
	}
	if n > 0 {
		return n, nil
	}
	return 0, io.EOF
}

// fail ends the body. What came together with the error is dropped: nothing of
// the request counts any more.
func (u *upload) fail(err error) (int, error) {
	if u.client != nil && u.client.broken != nil {
		err = u.client.broken // the codec does not always pass it on
	}
	u.end = &upstream.BodyError{Err: err}
	return 0, u.end
}
