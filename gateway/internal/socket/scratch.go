package socket

import (
	"errors"
	"io"
	"sync"
)

// Scratch is a buffer that is taken from a pool when bytes have arrived, and given
// back when they have been used. A connection that waits holds none.
type Scratch struct {
	Pool *sync.Pool // of *[]byte
	held *[]byte
}

func (s *Scratch) take() []byte {
	if s.held == nil {
		s.held = s.Pool.Get().(*[]byte)
	}
	return *s.held
}

// Release gives the buffer back: what was read into it may not be used any more.
func (s *Scratch) Release() {
	if s.held != nil {
		s.Pool.Put(s.held)
		s.held = nil
	}
}

// ReadScratch is Read into a buffer that it takes when there is something to read. A
// connection that is no socket of the system takes one while it waits.
func (c *Conn) ReadScratch(s *Scratch) ([]byte, error) {
	if c.raw == nil {
		b := s.take()
		n, err := c.Conn.Read(b)
		return b[:n], err
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.begin(nil)
	c.in.scratch = s
	err := c.raw.Read(c.in.run)
	c.in.scratch = nil
	n, err := c.received(err)
	if n == 0 {
		s.Release()
		return nil, err
	}
	return s.take()[:n], err
}

// Layered is a connection whose bytes pass another layer, as those of TLS do: whether
// there is something to read, its socket does not tell.
type Layered interface {
	io.Reader
	// ReadNow is Read without waiting: ErrNothing says that nothing is there.
	ReadNow(b []byte) (int, error)
}

// ReadLayered waits for bytes with a small buffer of the caller's, and takes one only
// for what is longer: all that has come of it is read into that one.
func (s *Scratch) ReadLayered(c Layered, small []byte) ([]byte, error) {
	n, err := c.Read(small)
	if n < len(small) || err != nil {
		return small[:n], err
	}
	b := s.take()
	copy(b, small)
	more, err := c.ReadNow(b[n:])
	if errors.Is(err, ErrNothing) { // also behind bytes: TLS looks for an alert that follows them
		err = nil
	}
	return b[:n+more], err
}
