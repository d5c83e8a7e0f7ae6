package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A request that waits for its upstream longer than watchAfter has its client
// looked at every watchEvery: one that has gone ends the upstream's work.
const (
	watchAfter = 100 * time.Millisecond
	watchEvery = 100 * time.Millisecond
	shards     = 16
)

// watcher looks at the clients of slow requests. One goroutine does it for
// all: a request costs an insertion and a removal.
type watcher struct {
	shard [shards]watchShard
	next  atomic.Uint32
	stop  chan struct{}
	done  chan struct{}
}

type watchShard struct {
	mu  sync.Mutex
	all map[*clientWatch]struct{}
}

// clientWatch is the watch over the client of one request that waits.
type clientWatch struct {
	shard    *watchShard
	client   net.Conn
	since    time.Time
	mu       sync.Mutex
	upstream io.Closer
	lost     atomic.Bool
}

func newWatcher() *watcher {
	w := &watcher{stop: make(chan struct{}), done: make(chan struct{})}
	for i := range w.shard {
		w.shard[i].all = map[*clientWatch]struct{}{}
	}
	go w.run()
	return w
}

func (w *watcher) close() {
	close(w.stop)
	<-w.done
}

func (w *watcher) begin(v *clientWatch, client net.Conn, now time.Time) {
	v.client, v.since = client, now
	v.shard = &w.shard[w.next.Add(1)%shards]
	v.shard.mu.Lock()
	v.shard.all[v] = struct{}{}
	v.shard.mu.Unlock()
}

func (w *watcher) end(v *clientWatch) {
	v.shard.mu.Lock()
	delete(v.shard.all, v)
	v.shard.mu.Unlock()
}

func (v *clientWatch) reset() {
	v.shard = nil
	v.client = nil
	v.upstream = nil
	v.lost.Store(false)
}

// conn tells which connection to close when the client goes.
func (v *clientWatch) conn(c io.Closer) {
	v.mu.Lock()
	v.upstream = c
	v.mu.Unlock()
}

// interrupt ends the wait for the upstream: its connection is closed.
func (v *clientWatch) interrupt() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.upstream != nil {
		_ = v.upstream.Close()
	}
}

func (w *watcher) run() {
	defer close(w.done)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case now := <-tick.C:
			for i := range w.shard {
				w.shard[i].look(now)
			}
		}
	}
}

// look holds the shard's lock throughout, so that no request ends and is used
// again meanwhile; a look is one system call that never waits.
func (s *watchShard) look(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.all {
		if now.Sub(v.since) < watchAfter || !gone(v.client) {
			continue
		}
		v.lost.Store(true)
		v.mu.Lock()
		if v.upstream != nil {
			_ = v.upstream.Close()
		}
		v.mu.Unlock()
	}
}

// gone tells whether the peer has closed its connection, without reading from
// it. A client that has only ended its own direction counts as gone, as for
// nginx: the two cannot be told from each other. A pipelined request that waits
// says that it has not.
func gone(c net.Conn) bool {
	if other, ok := c.(interface{ isGone() bool }); ok {
		return other.isGone()
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	closed := false
	err = raw.Control(func(fd uintptr) {
		n, rerr := peek(fd)
		closed = n == 0 && rerr == nil || rerr != nil && !errors.Is(rerr, syscall.EAGAIN)
	})
	return err != nil || closed
}
