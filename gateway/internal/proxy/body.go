package proxy

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

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

// readBody reads a short body whole, unless the route wants it passed on as it
// comes.
func (v *visit) readBody() bool {
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
	v.upload = upload{ctx: v.Ctx, src: in.BodyStream(), size: int64(size), most: v.proxy.config.MaxBodyBytes, pause: v.proxy.bodyPause}
	req.SetBodyStream(&v.upload, size)
}

// upload is a request body on its way. Its errors are *upstream.BodyError: the
// client's fault, not the upstream's.
type upload struct {
	ctx   *fasthttp.RequestCtx
	src   io.Reader
	size  int64 // -1: unknown
	read  int64
	most  int64         // 0: no limit
	pause time.Duration // longest wait for more; 0: no limit
}

func (u *upload) Read(b []byte) (int, error) {
	if u.pause > 0 {
		_ = u.ctx.SetReadDeadline(time.Now().Add(u.pause))
	}
	n, err := u.src.Read(b)
	u.read += int64(n)
	switch {
	case u.most > 0 && u.read > u.most:
		return 0, &upstream.BodyError{Err: errBodyTooLarge}
	case errors.Is(err, io.EOF) && (u.read < u.size || u.size < 0 && u.brokenOff(b)):
		return n, &upstream.BodyError{Err: io.ErrUnexpectedEOF}
	case err != nil && !errors.Is(err, io.EOF):
		return n, &upstream.BodyError{Err: err}
	}
	return n, err
}

// brokenOff tells, at the end of a chunked body, whether it ended without its
// last chunk. fasthttp's stream takes a connection that ends between two chunks
// for the body's end, but then it reads on when it is asked again, and not
// after the last chunk: a deadline that has passed makes the difference seen.
func (u *upload) brokenOff(b []byte) bool {
	if len(b) == 0 || u.ctx.SetReadDeadline(time.Unix(1, 0)) != nil {
		return true
	}
	_, err := u.src.Read(b)
	_ = u.ctx.SetReadDeadline(time.Time{})
	return !errors.Is(err, io.EOF)
}
