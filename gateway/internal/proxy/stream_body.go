package proxy

import (
	"errors"
	"io"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/h2"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// streamBody is the body of a request of HTTP/2, within the limits of a client
// that sends it.
type streamBody struct {
	stream  *h2.Stream
	bounds  *bounds
	metrics *clientMetrics
	left    time.Duration // credit, as clientConn's
	patient bool          // the pauses are not limited here
}

func newStreamBody(s *h2.Stream, b *bounds, m *clientMetrics) *streamBody {
	return &streamBody{stream: s, bounds: b, metrics: m, left: b.body}
}

// Read is io.Reader's.
func (b *streamBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errSlowBody
	}
	most := b.left
	if b.patient {
		most = unlimited
	}
	n, waited, err := b.stream.Read(p, most)
	if !b.patient {
		b.left = credit(b.left, b.bounds.body, b.bounds.bodyRate, waited, n)
	}
	switch {
	case errors.Is(err, io.EOF) && !b.checkTrailers():
		return 0, errTrailer
	case n > 0 || err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, h2.ErrStopped):
		return 0, errRefused
	case errors.Is(err, h2.ErrTimeout):
		b.metrics.body.Inc()
		return 0, errSlowBody
	}
	return 0, err
}

// checkTrailers holds for trailers what holds behind a chunked body.
func (b *streamBody) checkTrailers() bool {
	all := b.stream.Trailers()
	if len(all) > mostTrailers {
		return false
	}
	for _, f := range all {
		if framesOrForwards([]byte(f.Name)) {
			return false
		}
	}
	return true
}

// interrupt ends a read under way: what is left is not wanted. Other goroutines
// may call it.
func (b *streamBody) interrupt() { b.stream.Stop() }

// trailers are what came behind the body.
func (b *streamBody) trailers() (out []upstream.Field) {
	for _, f := range b.stream.Trailers() {
		out = append(out, upstream.Field{Name: f.Name, Value: f.Value})
	}
	return out
}
