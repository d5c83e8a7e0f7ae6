// Package logqueue holds what logging and tracing plugins have to say until it is
// delivered: bounded queues with batches, retries, and a count of what was
// dropped. A request only puts bytes into a queue, and never waits.
package logqueue

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// retireAfter is how long a queue whose plugin was changed or removed takes
	// entries of requests that are still under way.
	retireAfter = 5 * time.Second
	// endWithin bounds the delivery of what a queue holds when it ends.
	endWithin = 5 * time.Second

	// mostBytes bounds the entries of all queues without max_bytes together. What
	// clients send is in them, several times and escaped: 10,000 may be gigabytes.
	mostBytes = 64 << 20
	// ownBytes are what each of those queues may hold nevertheless: a server that
	// does not answer must not cost the entries of others.
	ownBytes = 1 << 20
)

// Registry owns the queues of a process: they outlive configurations, as long as
// their plugins stay the same. Close it when no request runs any more.
type Registry struct {
	log      *slog.Logger
	counters *counters
	retire   time.Duration
	within   time.Duration

	held atomic.Int64 // bytes of entries of queues without max_bytes

	mu     sync.Mutex
	queues map[string]*Queue
	ended  bool
	wg     sync.WaitGroup

	closing chan struct{} // closed by Close
}

// NewRegistry makes a registry without queues. reg and log may be nil.
func NewRegistry(reg prometheus.Registerer, log *slog.Logger) (*Registry, error) {
	c, err := register(reg)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Registry{
		log: log, counters: c, retire: retireAfter, within: endWithin, queues: map[string]*Queue{},
		closing: make(chan struct{}),
	}, nil
}

// Spec says what a queue is for.
type Spec struct {
	Plugin string // its name, for metrics
	Key    string // two plugins with one key share a queue: the plugin's id and all of its configuration
	Config Config
	// Send delivers a batch, in the queue's goroutine; an error has it tried again.
	// The entries are good until it returns.
	Send func(ctx context.Context, batch [][]byte) error
	// Close frees what Send keeps from batch to batch. nil: nothing.
	Close func()
}

// Queue returns the queue of that key, and makes it if there is none.
func (r *Registry) Queue(s Spec) *Queue {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := s.Plugin + "\x00" + s.Key
	if q, ok := r.queues[key]; ok {
		return q
	}
	r.counters.declare(s.Plugin)
	q := newQueue(r, s)
	if r.ended {
		q.refuse()
		return q
	}
	r.queues[key] = q
	r.wg.Go(q.run)
	return q
}

// Keep says which queues are in use: the others deliver what they hold, and end.
func (r *Registry) Keep(used []*Queue) {
	keep := make(map[*Queue]bool, len(used))
	for _, q := range used {
		keep[q] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, q := range r.queues {
		if !keep[q] {
			delete(r.queues, key)
			close(q.ending)
		}
	}
}

// Close has every queue deliver what it holds, for a few seconds at most, and
// waits for that.
func (r *Registry) Close() {
	r.mu.Lock()
	if !r.ended {
		r.ended = true
		close(r.closing)
	}
	r.mu.Unlock()
	r.wg.Wait()
}
