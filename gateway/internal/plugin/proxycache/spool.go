package proxycache

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// spool is a response's body on its way to the client and into the cache. A
// goroutine reads it from the upstream as fast as that sends, so that those who
// wait for the fill do not wait for the client that happened to come first. A body
// that turns out to be too long for the cache is read by the client alone from
// there on.
//
// When the client leaves before the whole body has come the fill is abandoned, and
// one of those who wait asks the upstream itself: a fill goes on for as long as
// the exchange that it belongs to.
type spool struct {
	src  io.Reader
	size int // -1: until EOF
	most int // longest body that is stored

	x     *plugin.Exchange
	store *cache.Store
	entry *cache.Entry
	fill  *cache.Fill
	done  chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	moved  sync.Cond // body has grown, the client has read on, or one of them has ended
	body   []byte    // only ever grows; what is in it does not change
	taken  int       // of body, by the client
	ended  bool      // the goroutine reads no more
	err    error     // why, io.EOF at the end; nil where the body is too long
	closed bool      // the client reads no more
	beyond int       // what the client has read of src itself
}

// spoolMargin is how far a fill may always be ahead of its client.
const spoolMargin = 64 << 10

// spoolBody lets a response's stream pass, and stores it when the whole of it has
// come.
func (p *proxyCache) spoolBody(x *plugin.Exchange, size int, e *cache.Entry, fill *cache.Fill) {
	r := &x.Ctx.Response
	s := &spool{
		src: r.BodyStream(), size: size, most: p.store.MaxEntryBytes(),
		x: x, store: p.store, entry: e, fill: fill, done: make(chan struct{}),
	}
	s.moved.L = &s.mu
	plugin.SetBodyStream(r, s, size)
	go s.pump()
}

// pump is the goroutine that reads the upstream. CloseWithError waits for it.
func (s *spool) pump() {
	defer close(s.done)
	for s.wait() {
		free := s.room()
		n, err := s.src.Read(free)
		if !s.took(n, err) {
			return
		}
	}
}

// wait lets the client catch up while all fills are too far ahead of theirs. It
// is false when the client has gone.
func (s *spool) wait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && len(s.body)-s.taken > spoolMargin && !s.store.ReadAhead(0) {
		s.moved.Wait()
	}
	return !s.closed
}

// room is where the next bytes go.
func (s *spool) room() []byte {
	if len(s.body) == cap(s.body) {
		grown := max(2*len(s.body), 16<<10)
		if s.size > 0 && len(s.body) == 0 {
			grown = s.size
		}
		// One byte more than is stored shows that a body is too long.
		made := make([]byte, len(s.body), max(min(grown, s.most+1), len(s.body)+1))
		copy(made, s.body)
		s.mu.Lock()
		s.body = made
		s.mu.Unlock()
	}
	return s.body[len(s.body):cap(s.body)]
}

// took shows the client what has come. It is false after the last of it. A body
// is whole only if no error came with its last bytes.
func (s *spool) took(n int, err error) (more bool) {
	total := len(s.body) + n
	eof := errors.Is(err, io.EOF)
	over := false
	switch {
	case err != nil && !eof:
	case total > s.most:
		over = true
	case s.size >= 0 && total == s.size, s.size < 0 && eof:
		err = io.EOF
		// Before the client sees the end: its next request is a hit.
		s.entry.Body = clip(s.body[:total])
		s.fill.Store(s.entry)
	case eof:
		err = io.ErrUnexpectedEOF
	default:
		more = true
	}
	switch {
	case over:
		s.fill.Refuse(true)
	case !more:
		s.fill.Abandon() // does nothing after Store
	}
	s.store.ReadAhead(n)
	s.mu.Lock()
	s.body = s.body[:total]
	s.ended, s.err = !more, err
	s.mu.Unlock()
	s.moved.Broadcast()
	return more
}

// clip gives up memory that a body has grown beyond its length.
func clip(b []byte) []byte {
	if cap(b)-len(b) > len(b)/8 {
		return bytes.Clone(b)
	}
	return b[:len(b):len(b)]
}

// Read is the client's: it waits for the goroutine, and reads the upstream itself
// once that has ended with a body that is too long.
func (s *spool) Read(p []byte) (int, error) {
	s.mu.Lock()
	for s.taken == len(s.body) && !s.ended {
		s.moved.Wait()
	}
	n := copy(p, s.body[s.taken:])
	s.taken += n
	rest, err := s.taken < len(s.body), s.err
	s.mu.Unlock()
	if n > 0 {
		s.store.ReadAhead(-n)
		s.moved.Broadcast()
	}
	if n > 0 || rest || err != nil {
		if n > 0 {
			err = nil // comes with the next call
		}
		return n, err
	}
	n, err = s.src.Read(p)
	s.beyond += n
	return n, err
}

// CloseWithError ends the goroutine, then the upstream's stream. It is called
// once, when the client has the whole body or is gone.
func (s *spool) CloseWithError(err error) error {
	s.mu.Lock()
	s.closed = true
	reading := !s.ended
	s.mu.Unlock()
	s.moved.Broadcast()
	if reading && s.x.Interrupt != nil {
		s.x.Interrupt()
	}
	<-s.done
	s.fill.Abandon()
	s.store.ReadAhead(s.taken - len(s.body))
	s.x.Spooled, s.x.Delivered = true, int64(s.taken+s.beyond)
	// Ends the exchange: s.x is another request's from here on.
	switch src := s.src.(type) {
	case fasthttp.ReadCloserWithError:
		return src.CloseWithError(err)
	case io.Closer:
		return src.Close()
	}
	return nil
}
