package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// streamBody is the body of a request of HTTP/2, within the limits of a client
// that sends it.
type streamBody struct {
	src     io.Reader
	request *http.Request
	control *http.ResponseController
	bounds  *bounds
	metrics *clientMetrics
	left    time.Duration // credit, as clientConn's
	refused atomic.Bool   // the rest is not wanted
	patient bool          // the pauses are not limited here

	mu    sync.Mutex
	timer *time.Timer
	open  bool // control may be used
}

func newStreamBody(r *http.Request, w http.ResponseWriter, b *bounds, m *clientMetrics) *streamBody {
	return &streamBody{src: r.Body, request: r, control: http.NewResponseController(w), bounds: b, metrics: m, left: b.body, open: true}
}

// end has nothing use the stream any more.
func (b *streamBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
	}
	b.open = false
}

// Read is io.Reader's.
func (b *streamBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errSlowBody
	}
	if b.patient {
		n, err := b.src.Read(p)
		if n == 0 && err != nil && !errors.Is(err, io.EOF) && b.refused.Load() {
			err = errRefused
		}
		return n, err
	}
	if b.timer == nil {
		b.timer = time.AfterFunc(b.left, b.expire)
	} else {
		b.timer.Reset(b.left)
	}
	began := time.Now()
	n, err := b.src.Read(p)
	b.timer.Stop()
	b.left = credit(b.left, b.bounds.body, b.bounds.bodyRate, time.Since(began), n)
	switch {
	case n > 0 || err == nil || errors.Is(err, io.EOF):
		return n, err
	case b.refused.Load():
		return 0, errRefused
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.metrics.body.Inc()
		return 0, errSlowBody
	}
	return 0, err
}

// expire ends a read that waits too long.
func (b *streamBody) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open {
		_ = b.control.SetReadDeadline(longAgo)
	}
}

// interrupt ends a read under way: what is left is not wanted. Other goroutines
// may call it.
func (b *streamBody) interrupt() {
	b.refused.Store(true)
	b.expire()
}

// trailers are what came behind the body, of those fields that were announced: the
// codec has no others.
func (b *streamBody) trailers() (out []upstream.Field) {
	for name, values := range b.request.Trailer {
		for _, v := range values {
			if isText([]byte(v)) {
				out = append(out, upstream.Field{Name: name, Value: v})
			}
		}
	}
	return out
}
