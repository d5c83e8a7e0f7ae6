// Package logbuffer writes many log lines with one system call. A write per line
// is a large part of what an access log costs: at a low rate, each one also wakes
// the monitor thread of the Go runtime.
package logbuffer

import (
	"io"
	"sync"
	"time"
)

// most bounds what is collected, in bytes. The line that reaches it is written with
// all before it, by its own goroutine: a destination that is slow slows down those
// who log, and takes no memory.
const most = 64 << 10

// Writer writes to a destination at once, and through Delayed a little later, in the
// order of the calls. It may be used by several goroutines.
type Writer struct {
	to    io.Writer
	every time.Duration

	mu    sync.Mutex
	lines []byte
	timer *time.Timer
	due   bool // the timer runs
	ended bool
}

// New makes a writer whose delayed lines wait for at most every. With 0 nothing waits.
func New(to io.Writer, every time.Duration) *Writer { return &Writer{to: to, every: every} }

// Write writes b, after the lines that wait.
func (w *Writer) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) == 0 {
		return w.to.Write(b)
	}
	w.lines = append(w.lines, b...)
	return len(b), w.flush()
}

// Delayed collects lines. An error of an earlier write is not told: nobody would know
// to which line it belongs.
func (w *Writer) Delayed() io.Writer { return delayed{w} }

type delayed struct{ w *Writer }

// Write is io.Writer's.
func (d delayed) Write(b []byte) (int, error) {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.every <= 0 || w.ended {
		return w.to.Write(b)
	}
	w.lines = append(w.lines, b...)
	switch {
	case len(w.lines) >= most:
		return len(b), w.flush()
	case w.due:
	case w.timer == nil:
		w.due, w.timer = true, time.AfterFunc(w.every, w.onTime)
	default:
		w.due = true
		w.timer.Reset(w.every)
	}
	return len(b), nil
}

func (w *Writer) onTime() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = false
	_ = w.flush()
}

func (w *Writer) flush() error {
	if len(w.lines) == 0 {
		return nil
	}
	n, err := w.to.Write(w.lines)
	if err == nil && n < len(w.lines) {
		err = io.ErrShortWrite
	}
	w.lines = w.lines[:0]
	return err
}

// Close writes what waits. Lines that come later are written at once.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.timer != nil {
		w.timer.Stop()
	}
	return w.flush()
}
