package socket

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

func newScratch(size int) *Scratch {
	return &Scratch{Pool: &sync.Pool{New: func() any { b := make([]byte, size); return &b }}}
}

func TestReadScratch(t *testing.T) {
	c, peer := pair(t)
	s := newScratch(8)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if b, err := c.ReadScratch(s); len(b) > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || s.held != nil {
		t.Errorf("of nothing: %q, %v, held %v", b, err, s.held)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, _ = peer.Write([]byte("hello world"))
	var got []byte
	for len(got) < 11 {
		b, err := c.ReadScratch(s)
		if err != nil || len(b) == 0 || len(b) > 8 || s.held == nil {
			t.Fatalf("%q, %v, held %v", b, err, s.held)
		}
		got = append(got, b...)
		s.Release()
		if s.held != nil {
			t.Error("held after it was released")
		}
	}
	if string(got) != "hello world" {
		t.Errorf("got %q", got)
	}
	_ = peer.CloseWrite()
	if b, err := c.ReadScratch(s); len(b) > 0 || !errors.Is(err, io.EOF) || s.held != nil {
		t.Errorf("at the end: %q, %v, held %v", b, err, s.held)
	}
	c, peer = pair(t)
	_ = peer.SetLinger(0)
	_ = peer.Close()
	if b, err := c.ReadScratch(s); len(b) > 0 || !errors.Is(err, syscall.ECONNRESET) || s.held != nil {
		t.Errorf("after a reset: %q, %v, held %v", b, err, s.held)
	}
	s.Release() // of nothing
}

func TestReadScratchOfOtherConnections(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	s := newScratch(8)
	go func() { _, _ = b.Write([]byte("hello")); b.Close() }()
	if got, err := New(a).ReadScratch(s); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	s.Release()
	if got, err := New(a).ReadScratch(s); len(got) > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %q, %v", got, err)
	}
	s.Release()
}

func TestReadScratchAllocatesNothing(t *testing.T) {
	c, peer := pair(t)
	ours := New(peer)
	s, b := newScratch(200), make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = ours.Write(b)
		for got := 0; got < len(b); {
			part, err := c.ReadScratch(s)
			if err != nil {
				t.Fatal(err)
			}
			got += len(part)
			s.Release()
		}
	}); n >= 1 { // the race detector has pools forget at random
		t.Errorf("%v allocations", n)
	}
}

// records gives what was sent in the pieces in which it was sent, as TLS does.
type records struct {
	sent    [][]byte
	waiting bool // there is no more
}

func (r *records) Read(b []byte) (int, error) {
	if len(r.sent) == 0 {
		r.waiting = true
		return 0, io.EOF
	}
	n := copy(b, r.sent[0])
	if r.sent[0] = r.sent[0][n:]; len(r.sent[0]) == 0 {
		r.sent = r.sent[1:]
	}
	return n, nil
}

func (r *records) ReadNow(b []byte) (int, error) {
	if len(r.sent) == 0 {
		return 0, ErrNothing
	}
	return r.Read(b)
}

func TestReadLayered(t *testing.T) {
	const small = 16
	for _, lengths := range [][]int{{}, {1}, {small - 1}, {small}, {small + 1}, {small, small}, {3, 4 * small, small, 100}, {500}} {
		r := &records{}
		var want []byte
		for _, n := range lengths {
			b := make([]byte, n)
			_, _ = rand.Read(b)
			r.sent = append(r.sent, b)
			want = append(want, b...)
		}
		s, first := newScratch(64), make([]byte, small)
		var got []byte
		for {
			b, err := s.ReadLayered(r, first)
			if len(b) < small && s.held != nil {
				t.Errorf("%v: a buffer is held for %d bytes", lengths, len(b))
			}
			got = append(got, b...)
			s.Release()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("%v: %v", lengths, err)
				}
				break
			}
		}
		if !bytes.Equal(got, want) || !r.waiting {
			t.Errorf("%v: got %d bytes of %d", lengths, len(got), len(want))
		}
	}
}

// lookingOn gives bytes and finds nothing behind them in one call.
type lookingOn struct{ records }

func (l *lookingOn) ReadNow(b []byte) (int, error) {
	n, _ := l.Read(b)
	return n, ErrNothing
}

// TestReadLayeredWithNothingBehind: bytes that nothing follows are no end of the tunnel.
func TestReadLayeredWithNothingBehind(t *testing.T) {
	l := &lookingOn{records{sent: [][]byte{[]byte("0123456789")}}}
	if b, err := newScratch(64).ReadLayered(l, make([]byte, 4)); string(b) != "0123456789" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}
