package proxy

import (
	"errors"
	"io"
	"slices"

	"github.com/valyala/fasthttp"
)

// readBody is plugin.Exchange's Body.
func (v *visit) readBody(most int) (body []byte, whole bool, err error) {
	in := &v.Ctx.Request
	if !in.IsBodyStream() {
		b := in.Body()
		return b[:min(len(b), most)], len(b) <= most, nil
	}
	size := in.Header.ContentLength()
	if size == 0 {
		return nil, true, nil
	}
	if size > most {
		return nil, false, nil // no need to read any of it
	}
	u := v.incoming()
	v.head = v.head[:0]
	for len(v.head) <= most {
		v.head = slices.Grow(v.head, 4<<10)
		n, err := u.Read(v.head[len(v.head):min(cap(v.head), most+1)])
		v.head = v.head[:len(v.head)+n]
		if errors.Is(err, io.EOF) {
			v.body, v.head, v.upload = v.head, nil, upload{}
			in.Header.Del(fasthttp.HeaderTransferEncoding)
			in.SetBodyRaw(v.body)
			return v.body, true, nil
		}
		if errors.Is(err, errBodyTooLarge) {
			return nil, false, statusError(fasthttp.StatusRequestEntityTooLarge)
		}
		if err != nil {
			return v.head, false, err
		}
	}
	return v.head[:most], false, nil
}

// interrupt ends the wait for the upstream: its connection is closed.
func (v *watched) interrupt() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.upstream != nil {
		_ = v.upstream.Close()
	}
}

// statusError is an error that says what the client is answered.
type statusError int

func (e statusError) Error() string   { return fasthttp.StatusMessage(int(e)) }
func (e statusError) StatusCode() int { return int(e) }
