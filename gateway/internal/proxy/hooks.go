package proxy

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/valyala/fasthttp"
)

var tokenUpgrade = []byte("upgrade")

// complete is plugin.Exchange's Complete: it writes what the gateway says of
// the client into the client's own request.
func (v *visit) complete() {
	if v.completed || v.routed == nil || v.Route == nil {
		return
	}
	v.completed = true
	v.forwarded(&v.Ctx.Request.Header)
}

// strip takes off the client's request what is not forwarded, so that plugins see
// what the upstream will. The Connection header itself stays: the codec and the
// wish to switch protocols need it.
func (v *visit) strip() {
	h := &v.Ctx.Request.Header
	if connection := h.PeekAll("Connection"); len(connection) > 0 {
		lists := make([][]byte, len(connection))
		for i, c := range connection { // the views do not outlive a deletion
			lists[i] = bytes.Clone(c)
		}
		dropListed(lists, func(name []byte) {
			if !bytes.EqualFold(name, tokenUpgrade) {
				h.DelBytes(name)
			}
		})
	}
}

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
	u := upload{ctx: v.Ctx, src: in.BodyStream(), size: int64(size), most: v.proxy.config.MaxBodyBytes, pause: v.proxy.bodyPause}
	v.head = v.head[:0]
	for len(v.head) <= most {
		v.head = slices.Grow(v.head, 4<<10)
		n, err := u.Read(v.head[len(v.head):min(cap(v.head), most+1)])
		v.head = v.head[:len(v.head)+n]
		if errors.Is(err, io.EOF) {
			v.body, v.head = v.head, nil
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
