package main

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// link is a TCP forwarder that a test can cut, stop as SIGSTOP would stop the
// server behind it, or make slow.
type link struct {
	listener net.Listener
	to       string
	cut      atomic.Bool
	hung     atomic.Bool
	delay    atomic.Int64 // nanoseconds, of each piece that the server sends
	mu       sync.Mutex
	conns    []net.Conn
	done     chan struct{}
	wg       sync.WaitGroup
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: ln, to: to, done: make(chan struct{})}
	l.wg.Go(l.accept)
	t.Cleanup(func() {
		close(l.done)
		_ = ln.Close()
		l.set(true)
		l.wg.Wait()
	})
	return l
}

func (l *link) accept() {
	for {
		c, err := l.listener.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", l.to)
		l.mu.Lock()
		if err != nil || l.cut.Load() {
			_ = c.Close()
			if s != nil {
				_ = s.Close()
			}
			l.mu.Unlock()
			continue
		}
		l.conns = append(l.conns, c, s)
		l.mu.Unlock()
		l.wg.Go(func() { l.pass(s, c, 0) })
		l.wg.Go(func() { l.pass(c, s, 1) })
	}
}

// pass copies from one side to the other, when the link lets it; slow says
// whether the delay is this direction's.
func (l *link) pass(to, from net.Conn, slow int64) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !l.sleep(time.Duration(l.delay.Load() * slow)) {
				return
			}
			for l.hung.Load() {
				if !l.sleep(5 * time.Millisecond) {
					return
				}
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *link) sleep(d time.Duration) bool {
	select {
	case <-l.done:
		return false
	case <-time.After(d):
		return true
	}
}

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut.Store(cut)
	if cut {
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.conns = nil
	}
}

// lines is a log that a test can read while it is written.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// count is how many lines have text in them.
func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.all.String(), text)
}
