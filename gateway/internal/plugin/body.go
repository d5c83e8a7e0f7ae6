package plugin

import (
	"errors"
	"fmt"
	"io"

	"github.com/valyala/fasthttp"
)

// ErrBodyTooLarge says that a response is longer than what is kept for body
// filters.
var ErrBodyTooLarge = errors.New("response body is larger than plugins may keep")

// filterBody runs the body filters that want the response.
func filterBody(x *Exchange) error {
	r := &x.Ctx.Response
	// An answer to HEAD that is not the upstream's, a stored one say, has GET's body:
	// it is filtered for its length.
	whole := !x.Ctx.IsHead() || !r.IsBodyStream() && len(r.Body()) > 0
	if !whole || r.SkipBody || bodyless(r.StatusCode()) {
		forgetLength(x)
		return nil
	}
	var (
		body []byte
		read bool
	)
	for _, f := range x.passed {
		if !f.wantsBody(x) {
			continue
		}
		if !read {
			read = true
			var err error
			if body, err = responseBody(r, x.maxBody); err != nil {
				return err
			}
		}
		body = f.bodyFilter.BodyFilter(x, body)
	}
	if read {
		r.SetBodyRaw(body) // closes the upstream's stream
		r.Header.SetContentLength(len(body))
	}
	return nil
}

// forgetLength takes Content-Length off an answer to HEAD that a filter would
// have changed: the length of GET's body is not known.
func forgetLength(x *Exchange) {
	r := &x.Ctx.Response
	if !x.Ctx.IsHead() || r.Header.ContentLength() < 0 {
		return
	}
	for _, f := range x.passed {
		if f.wantsBody(x) {
			r.Header.SetContentLength(-1)
			return
		}
	}
}

// bodyless tells whether responses with that status have no body.
func bodyless(status int) bool {
	return status < 200 || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified
}

// responseBody is the whole body of a response. A stream that is longer than
// most bytes is ErrBodyTooLarge.
func responseBody(r *fasthttp.Response, most int) ([]byte, error) {
	if !r.IsBodyStream() {
		return r.Body(), nil
	}
	size := r.Header.ContentLength()
	if size > most {
		return nil, fmt.Errorf("%d bytes: %w", size, ErrBodyTooLarge)
	}
	body := make([]byte, 0, max(size, 512)+1)
	for {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(2*cap(body), most+1))
			copy(grown, body)
			body = grown
		}
		n, err := r.BodyStream().Read(body[len(body):min(cap(body), most+1)])
		body = body[:len(body)+n]
		switch {
		case len(body) > most:
			return nil, ErrBodyTooLarge
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, fmt.Errorf("read the response body: %w", err)
		}
	}
}

// SetBodyStream puts stream in the place of a response's body, whose own stream
// it reads: unlike fasthttp's setters it leaves that open. stream closes it.
// size is the new body's length, -1 where it is not known.
func SetBodyStream(r *fasthttp.Response, stream io.Reader, size int) {
	// Every setter of a body closes the one before; so the response is made anew
	// around the header.
	var header fasthttp.ResponseHeader
	r.Header.CopyTo(&header)
	*r = fasthttp.Response{
		SkipBody: r.SkipBody, ImmediateHeaderFlush: r.ImmediateHeaderFlush, StreamBody: r.StreamBody, KeepBodyBuffer: r.KeepBodyBuffer,
	}
	header.CopyTo(&r.Header)
	r.SetBodyStream(stream, size)
}
