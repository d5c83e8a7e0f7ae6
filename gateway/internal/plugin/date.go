package plugin

import (
	"time"

	"github.com/valyala/fasthttp"
)

var (
	headerDate = []byte(fasthttp.HeaderDate)
	noTrailer  = []byte{}
)

// SetDate sets a response's Date, which the codec's setters leave to the codec:
// only what is announced as a trailer is kept, and stays when it is not announced
// any more. It must not be called on a header that announces trailers. The server
// sends the field only with NoDefaultDate. It does not allocate.
func SetDate(h *fasthttp.ResponseHeader, value []byte) {
	DeleteResponseField(h, fasthttp.HeaderDate)
	if h.SetTrailerBytes(headerDate) != nil {
		return
	}
	h.SetCanonical(headerDate, value)
	_ = h.SetTrailerBytes(noTrailer)
}

// StampDate gives a response without a Date one, as RFC 9110, 6.6.1 wants of a server that
// stores it.
func StampDate(h *fasthttp.ResponseHeader, now time.Time) {
	if len(h.PeekBytes(headerDate)) == 0 && len(h.PeekTrailerKeys()) == 0 {
		SetDate(h, fasthttp.AppendHTTPDate(nil, now))
	}
}
