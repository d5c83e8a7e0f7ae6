package upstream

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// http2Upload is a request's body as the codec of HTTP/2 reads it, on a goroutine
// of its own, which may outlast the exchange. Once release has returned it does
// not touch the client any more.
type http2Upload struct {
	exchange *http2Exchange
	src      io.Reader
	stuck    *time.Timer // runs while the codec has not asked for more

	mu         sync.Mutex // held during a read
	begun      atomic.Bool
	whole      atomic.Bool
	wholeAfter atomic.Int64 // ns from the exchange's beginning until the body was whole; 0: it is not
	closed     atomic.Bool
	failure    atomic.Pointer[error] // of src
}

// Read is io.Reader's.
func (u *http2Upload) Read(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed.Load() {
		return 0, errRefused
	}
	if u.stuck != nil {
		u.stuck.Stop()
	}
	u.begun.Store(true)
	n, err := u.src.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		u.wholeAfter.Store(max(1, int64(time.Since(u.exchange.began))))
		u.whole.Store(true)
	case err != nil:
		if !u.closed.Load() { // else it is the end of the exchange that is to blame
			u.failure.Store(&err)
		}
	case u.stuck == nil:
		u.stuck = time.AfterFunc(u.exchange.call.Write, func() { u.exchange.cancel(errStuck) })
	default:
		u.stuck.Reset(u.exchange.call.Write)
	}
	u.exchange.moved()
	return n, err
}

// Close is io.Closer's: the codec wants no more. It ends a read under way.
func (u *http2Upload) Close() error {
	if u.src == nil || u.closed.Swap(true) {
		return nil
	}
	if u.begun.Load() && !u.whole.Load() && u.exchange.call.OnRefusal != nil {
		u.exchange.call.OnRefusal()
	}
	return nil
}

// release waits for the end of a read under way.
func (u *http2Upload) release() {
	_ = u.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stuck != nil {
		u.stuck.Stop()
	}
}
