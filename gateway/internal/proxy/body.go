package proxy

import (
	"errors"
	"io"
	"slices"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// errBodyTooLarge ends a body of unknown length that goes beyond the limit.
var errBodyTooLarge = errors.New("request body is larger than max_body_bytes")

// requestBody is the body of the client's request.
type requestBody struct {
	x           *plugin.Exchange
	most        int64 // of bytes; 0: no limit
	configured  int64 // most, without a plugin's word
	streamAbove int64 // bytes from which it is passed on as it comes

	upload upload // what is still to come
	head   []byte // of a longer one: what a plugin has read of it
	short  []byte // of a short one: all of it; kept from request to request
}

func (b *requestBody) reset() {
	b.upload, b.head = upload{}, nil
	b.short = b.short[:0]
	b.most = b.configured
}

// limit is plugin.Exchange's LimitBody.
func (b *requestBody) limit(most int64) bool {
	in := &b.x.Ctx.Request
	if b.most == 0 || most < b.most {
		b.most = max(most, 1) // 0 is no limit
	}
	if b.upload.src != nil {
		b.upload.most = b.most
	}
	known := int64(in.Header.ContentLength())
	if !in.IsBodyStream() {
		known = int64(len(in.Body()))
	}
	return known <= most && b.upload.read <= most
}

// isTooLarge tells whether a body is larger than allowed by its own word.
func (b *requestBody) isTooLarge() bool {
	return b.most > 0 && int64(b.x.Ctx.Request.Header.ContentLength()) > b.most
}

// readShort reads a short body whole.
func (b *requestBody) readShort() error {
	in := &b.x.Ctx.Request
	size := int64(in.Header.ContentLength())
	if size <= 0 || size > b.streamAbove || !in.IsBodyStream() {
		return nil
	}
	// Not Body(): it would take a body that was broken off for a whole one, and
	// an error's text for a body.
	b.short = slices.Grow(b.short[:0], int(size))[:size]
	if _, err := io.ReadFull(in.BodyStream(), b.short); err != nil {
		return err
	}
	if c := clientOf(b.x.Ctx.Conn()); c != nil {
		c.whole()
	}
	in.SetBodyRaw(b.short)
	return nil
}

// read is plugin.Exchange's Body.
func (b *requestBody) read(most int) (body []byte, whole bool, err error) {
	in := &b.x.Ctx.Request
	if !in.IsBodyStream() {
		all := in.Body()
		return all[:min(len(all), most)], len(all) <= most, nil
	}
	size := in.Header.ContentLength()
	if size == 0 {
		return nil, true, nil
	}
	if size > most {
		return nil, false, nil // no need to read any of it
	}
	u := b.incoming()
	b.head = b.head[:0]
	for len(b.head) <= most {
		b.head = slices.Grow(b.head, 4<<10)
		n, err := u.Read(b.head[len(b.head):min(cap(b.head), most+1)])
		b.head = b.head[:len(b.head)+n]
		if errors.Is(err, io.EOF) {
			b.short = b.head
			b.head, b.upload = nil, upload{}
			plugin.DeleteField(&in.Header, fasthttp.HeaderTransferEncoding)
			in.SetBodyRaw(b.short)
			return b.short, true, nil
		}
		if errors.Is(err, errBodyTooLarge) {
			return nil, false, statusError(fasthttp.StatusRequestEntityTooLarge)
		}
		if err != nil {
			return b.head, false, err
		}
	}
	return b.head[:most], false, nil
}

// statusError is an error that says what the client is answered.
type statusError int

func (e statusError) Error() string   { return fasthttp.StatusMessage(int(e)) }
func (e statusError) StatusCode() int { return int(e) }

// attach gives the body to the upstream's request: whole when it is here, else
// as a stream.
func (b *requestBody) attach(req *fasthttp.Request) {
	in := &b.x.Ctx.Request
	if !in.IsBodyStream() {
		if body := in.Body(); len(body) > 0 {
			req.SetBodyRaw(body)
		}
		return
	}
	size := in.Header.ContentLength()
	if size == 0 {
		return
	}
	u := b.incoming()
	u.head = b.head
	req.SetBodyStream(u, size)
}

// incoming is the body as a stream, with what bounds it.
func (b *requestBody) incoming() *upload {
	in := &b.x.Ctx.Request
	if b.upload.src == nil {
		b.upload = upload{src: in.BodyStream(), size: int64(in.Header.ContentLength()), most: b.most}
		if b.upload.size < 0 {
			b.upload.chunks = newChunks(b.upload.src)
		}
		b.upload.client = clientOf(b.x.Ctx.Conn())
	}
	return &b.upload
}

// interrupt ends a read of the body that is under way: the upstream has refused
// the request without it. It is upstream.Call's OnRefusal.
func (b *requestBody) interrupt() {
	if c := b.upload.client; c != nil {
		c.interrupt()
	} else if s := streamOf(b.x.Ctx.Conn()); s != nil && s.body != nil {
		s.body.interrupt()
	}
}

// received is how many bytes of the body have come.
func (b *requestBody) received() int64 { return max(b.upload.read, int64(len(b.short))) }

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

// isUnfinished tells whether there is a body of which not all was read.
func (u *upload) isUnfinished() bool { return u.src != nil && !errors.Is(u.end, io.EOF) }

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
