package socket

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pair is a connection over loopback: ours, and the peer's end.
func pair(t *testing.T) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := ln.Accept()
		accepted <- c
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer := <-accepted
	if peer == nil {
		t.Fatal("nothing was accepted")
	}
	t.Cleanup(func() { nc.Close(); peer.Close() })
	for _, c := range []net.Conn{nc, peer} {
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return New(nc), peer.(*net.TCPConn)
}

// What a connection of package net does is what ours has to do: the same result, and an
// error that is the same to those who ask.
func TestAConnectionBehavesLikeThatOfPackageNet(t *testing.T) {
	past := time.Unix(1, 0)
	cases := map[string]func(c net.Conn, peer *net.TCPConn) (int, error){
		"read": func(c net.Conn, peer *net.TCPConn) (int, error) {
			_, _ = peer.Write([]byte("hello"))
			return c.Read(make([]byte, 10))
		},
		"read of nothing": func(c net.Conn, _ *net.TCPConn) (int, error) { return c.Read(nil) },
		"read at the end": func(c net.Conn, peer *net.TCPConn) (int, error) {
			_ = peer.CloseWrite()
			return c.Read(make([]byte, 10))
		},
		"read after a reset": func(c net.Conn, peer *net.TCPConn) (int, error) {
			_ = peer.SetLinger(0)
			_ = peer.Close()
			return c.Read(make([]byte, 10))
		},
		"read past the deadline": func(c net.Conn, peer *net.TCPConn) (int, error) {
			_, _ = peer.Write([]byte("hello"))
			_ = c.SetReadDeadline(past)
			return c.Read(make([]byte, 10))
		},
		"read until the deadline": func(c net.Conn, _ *net.TCPConn) (int, error) {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			return c.Read(make([]byte, 10))
		},
		"read of a closed connection": func(c net.Conn, _ *net.TCPConn) (int, error) {
			_ = c.Close()
			return c.Read(make([]byte, 10))
		},
		"write":            func(c net.Conn, _ *net.TCPConn) (int, error) { return c.Write([]byte("hello")) },
		"write of nothing": func(c net.Conn, _ *net.TCPConn) (int, error) { return c.Write(nil) },
		"write past the deadline": func(c net.Conn, _ *net.TCPConn) (int, error) {
			_ = c.SetWriteDeadline(past)
			return c.Write([]byte("hello"))
		},
		"write to a closed connection": func(c net.Conn, _ *net.TCPConn) (int, error) {
			_ = c.Close()
			return c.Write([]byte("hello"))
		},
		"write after the end of writing": func(c net.Conn, _ *net.TCPConn) (int, error) {
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
			return c.Write([]byte("hello"))
		},
		"write after a reset": func(c net.Conn, peer *net.TCPConn) (int, error) {
			_ = peer.SetLinger(0)
			_ = peer.Close()
			_, _ = c.Read(make([]byte, 1)) // by then the reset has come
			return c.Write([]byte("hello"))
		},
	}
	errs := []error{
		io.EOF, os.ErrDeadlineExceeded, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
	}
	for name, use := range cases {
		t.Run(name, func(t *testing.T) {
			ours, peer := pair(t)
			n, err := use(ours, peer)
			theirs, peer := pair(t)
			wantN, want := use(theirs.Conn, peer)
			if n != wantN || (err == nil) != (want == nil) {
				t.Fatalf("%d, %v; want %d, %v", n, err, wantN, want)
			}
			for _, e := range errs {
				if errors.Is(err, e) != errors.Is(want, e) {
					t.Errorf("%v is %v: %t; of %v it is %t", err, e, errors.Is(err, e), want, errors.Is(want, e))
				}
			}
			var ne, wantNE net.Error
			if errors.As(err, &ne) != errors.As(want, &wantNE) || ne != nil && ne.Timeout() != wantNE.Timeout() {
				t.Errorf("as a net.Error: %v, want %v", ne, wantNE)
			}
		})
	}
}

// A write that the peer takes in pieces is one write, whatever it is longer than.
func TestALongWriteArrivesWhole(t *testing.T) {
	c, peer := pair(t)
	sent := make([]byte, 24<<20)
	_, _ = rand.Read(sent)
	var wg sync.WaitGroup
	wg.Go(func() {
		if n, err := c.Write(sent); n != len(sent) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		_ = c.CloseWrite()
	})
	got, err := io.ReadAll(peer)
	wg.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes of %d, %v", len(got), len(sent), err)
	}
}

// What was taken before the deadline is told.
func TestAWriteTellsWhatWasTaken(t *testing.T) {
	c, peer := pair(t)
	if err := c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Write(make([]byte, 64<<20)) // the peer reads nothing
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 64<<20 {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if !c.Unacknowledged() {
		t.Error("all was confirmed")
	}
	_ = c.CloseWrite()
	if got, err := io.Copy(io.Discard, peer); got != int64(n) || err != nil {
		t.Errorf("the peer got %d bytes of %d, %v", got, n, err)
	}
}

func TestBothDirectionsAtATime(t *testing.T) {
	c, peer := pair(t)
	go func() { _, _ = io.Copy(peer, peer); _ = peer.CloseWrite() }()
	sent := make([]byte, 4<<20)
	_, _ = rand.Read(sent)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	})
	var got bytes.Buffer
	_, err := io.Copy(&got, struct{ io.Reader }{c})
	wg.Wait()
	if err != nil || !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("got %d bytes of %d, %v", got.Len(), len(sent), err)
	}
}

func TestCloseEndsAReadUnderWay(t *testing.T) {
	c, _ := pair(t)
	began, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		close(began)
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}()
	<-began
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("the read ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the read goes on")
	}
}

// A second reader waits for the first, and gets what comes next; likewise writers.
func TestSeveralGoroutinesReadAndWrite(t *testing.T) {
	c, peer := pair(t)
	go func() { _, _ = io.Copy(peer, peer); _ = peer.CloseWrite() }()
	const each, readers = 1 << 20, 4
	var got atomic.Int64
	var wg, writers sync.WaitGroup
	for range readers {
		writers.Go(func() {
			if n, err := c.Write(make([]byte, each)); n != each || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
		})
		wg.Go(func() {
			n, err := io.Copy(io.Discard, struct{ io.Reader }{c})
			got.Add(n)
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	_ = c.CloseWrite()
	wg.Wait()
	if got.Load() != readers*each {
		t.Errorf("got %d bytes", got.Load())
	}
}

func TestReadNow(t *testing.T) {
	c, peer := pair(t)
	b := make([]byte, 10)
	if n, err := c.ReadNow(b); n != 0 || !errors.Is(err, ErrNothing) {
		t.Errorf("of nothing: %d, %v", n, err)
	}
	_ = c.SetReadDeadline(time.Unix(1, 0)) // is of no interest to it
	_, _ = peer.Write([]byte("hello"))
	if n, err := readSoon(t, c, b); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	_ = peer.CloseWrite()
	if n, err := readSoon(t, c, b); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	_ = c.Close()
	if n, err := c.ReadNow(b); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("when closed: %d, %v", n, err)
	}
}

// readSoon calls ReadNow until what the peer did has arrived.
func readSoon(t *testing.T, c *Conn, b []byte) (int, error) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		n, err := c.ReadNow(b)
		if !errors.Is(err, ErrNothing) || time.Now().After(end) {
			return n, err
		}
	}
}

func TestOtherConnectionsAreUsedAsTheyAre(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	c := New(a)
	if c.IsPollable() {
		t.Error("a pipe is no socket")
	}
	go func() { _, _ = b.Write([]byte("hello")) }()
	got := make([]byte, 5)
	if n, err := io.ReadFull(c, got); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := c.SyscallConn(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("its socket: %v", err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
}

func TestReadAndWriteAllocateNothing(t *testing.T) {
	c, peer := pair(t)
	ours := New(peer)
	b := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = ours.Write(b)
		_, _ = io.ReadFull(c, b)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
