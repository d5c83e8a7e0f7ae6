package h2

import (
	"sync"
	"time"
)

const (
	// mostIdle is how many goroutines wait for a request, each with the stack that
	// the last one has left it: to grow a new one costs as much as a small request.
	mostIdle = 1024
	// idleFor is how long one waits.
	idleFor = 10 * time.Second
)

// workers are goroutines that answer requests.
type workers struct {
	run func(*Stream)

	mu     sync.Mutex
	idle   []*worker // the one that has waited longest comes first, and is the last to get work
	timer  *time.Timer
	closed bool
}

type worker struct {
	work  chan *Stream
	since time.Time
}

// start has a goroutine answer a request.
func (w *workers) start(s *Stream) {
	w.mu.Lock()
	n := len(w.idle)
	if n == 0 {
		w.mu.Unlock()
		go w.loop(s)
		return
	}
	next := w.idle[n-1]
	w.idle[n-1] = nil
	w.idle = w.idle[:n-1]
	w.mu.Unlock()
	next.work <- s
}

func (w *workers) loop(s *Stream) {
	me := &worker{work: make(chan *Stream, 1)}
	for s != nil {
		w.run(s)
		if !w.wait(me) {
			return
		}
		s = <-me.work // nil: closed
	}
}

// wait puts a goroutine among those that wait.
func (w *workers) wait(me *worker) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) >= mostIdle {
		return false
	}
	me.since = time.Now()
	w.idle = append(w.idle, me)
	if w.timer == nil {
		w.timer = time.AfterFunc(idleFor, w.retire)
	}
	return true
}

// retire ends those that have waited for long.
func (w *workers) retire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, n := time.Now(), 0
	for n < len(w.idle) && now.Sub(w.idle[n].since) >= idleFor {
		close(w.idle[n].work)
		n++
	}
	w.idle = append(w.idle[:0], w.idle[n:]...)
	clear(w.idle[len(w.idle):cap(w.idle)])
	if len(w.idle) == 0 || w.closed {
		w.timer = nil
		return
	}
	w.timer = time.AfterFunc(idleFor, w.retire)
}

func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	for _, one := range w.idle {
		close(one.work)
	}
	w.idle = nil
}
