package logqueue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// warnEvery is how often a queue that cannot deliver is worth a line in the log.
const warnEvery = 10 * time.Second

// Queue is the entries of one configured plugin.
type Queue struct {
	registry *Registry
	spec     Spec
	log      *slog.Logger

	sent, dropFull, dropFailed, dropClosed prometheus.Counter
	warned                                 atomic.Int64 // Unix nanoseconds

	mu      sync.Mutex
	entries [][]byte
	bytes   int  // of entries
	sending int  // bytes of the batch that is being delivered
	done    bool // nothing is taken any more

	wake   chan struct{} // an entry has come
	filled chan struct{} // a whole batch is there

	ending   chan struct{} // closed when no plugin in use has the queue
	lingered bool          // of run alone
}

func newQueue(r *Registry, s Spec) *Queue {
	dropped := func(reason string) prometheus.Counter { return r.counters.dropped.WithLabelValues(s.Plugin, reason) }
	return &Queue{
		registry: r, spec: s, log: r.log.With("plugin", s.Plugin),
		sent:     r.counters.sent.WithLabelValues(s.Plugin),
		dropFull: dropped(full), dropFailed: dropped(failed), dropClosed: dropped(closed),
		wake: make(chan struct{}, 1), filled: make(chan struct{}, 1), ending: make(chan struct{}),
	}
}

// Add queues an entry, which must not be changed afterwards. It never waits: a
// full queue drops its oldest entries, and counts them; where the queues together
// are full, it drops the new one if it has no older one.
func (q *Queue) Add(entry []byte) {
	c := &q.spec.Config
	q.mu.Lock()
	if q.done {
		q.mu.Unlock()
		q.dropClosed.Inc()
		return
	}
	if c.MaxBytes > 0 && len(entry) > c.MaxBytes {
		q.mu.Unlock()
		q.dropFull.Inc()
		return
	}
	drop := q.surplus(len(entry))
	if drop < 0 {
		q.mu.Unlock()
		q.dropFull.Inc()
		return
	}
	for i := range drop {
		q.lose(len(q.entries[i]))
		q.entries[i] = nil
	}
	q.entries = append(q.entries[drop:], entry)
	q.bytes += len(entry)
	q.account(len(entry))
	whole := len(q.entries) >= c.MaxBatchSize
	q.mu.Unlock()
	q.dropFull.Add(float64(drop))
	signal(q.wake)
	if whole {
		signal(q.filled)
	}
}

// surplus is how many of the oldest entries have to go for one of n bytes, -1 where
// it cannot be taken. The caller holds mu.
func (q *Queue) surplus(n int) (drop int) {
	c := &q.spec.Config
	left, after := len(q.entries), q.bytes+n
	held := q.registry.held.Load() + int64(n)
	fits := func() bool {
		if c.MaxBytes > 0 {
			return after <= c.MaxBytes
		}
		return after+q.sending <= ownBytes || held <= mostBytes
	}
	for left >= c.MaxEntries || !fits() {
		if left == 0 {
			return -1
		}
		gone := len(q.entries[drop])
		drop, left = drop+1, left-1
		after -= gone
		held -= int64(gone)
	}
	return drop
}

// account notes bytes that the queue holds, or has let go of.
func (q *Queue) account(n int) {
	if q.spec.Config.MaxBytes == 0 {
		q.registry.held.Add(int64(n))
	}
}

// lose forgets bytes of an entry that waited. The caller holds mu.
func (q *Queue) lose(n int) {
	q.bytes -= n
	q.account(-n)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// refuse drops what is left, and all that comes.
func (q *Queue) refuse() {
	q.mu.Lock()
	left := len(q.entries)
	q.lose(q.bytes)
	q.entries = nil
	q.done = true
	q.mu.Unlock()
	q.dropClosed.Add(float64(left))
}

// run delivers until the queue ends.
func (q *Queue) run() {
	if q.spec.Close != nil {
		defer q.spec.Close()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	defer close(stopped)
	q.registry.wg.Go(func() {
		q.expire(stopped)
		cancel()
	})
	for q.await() {
		q.coalesce()
		q.deliver(ctx, q.take())
		q.delivered()
	}
	q.refuse()
}

// expire returns when what is under way has to stop: some time after the queue
// has ended, or when it has stopped.
func (q *Queue) expire(stopped <-chan struct{}) {
	within, closing := q.registry.within, q.registry.closing
	select {
	case <-stopped:
		return
	case <-closing:
		closing = nil
	case <-q.ending:
		within += q.registry.retire
	}
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-stopped:
		return
	case <-t.C:
		return
	case <-closing:
	}
	t.Reset(q.registry.within)
	select {
	case <-stopped:
	case <-t.C:
	}
}

// await waits for an entry; false says that the queue has ended.
func (q *Queue) await() bool {
	for q.length() == 0 {
		select {
		case <-q.wake:
		case <-q.registry.closing:
			return q.length() > 0
		case <-q.ending:
			return q.linger()
		}
	}
	return true
}

// linger waits for entries of requests that were under way when the queue ended;
// false says that no more are waited for.
func (q *Queue) linger() bool {
	if q.lingered {
		return q.length() > 0
	}
	q.lingered = true
	t := time.NewTimer(q.registry.retire)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.registry.closing:
	}
	return q.length() > 0
}

func (q *Queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

// coalesce waits until a batch is whole, for max_coalescing_delay at most.
func (q *Queue) coalesce() {
	c := &q.spec.Config
	if c.MaxCoalescingDelay <= 0 {
		return
	}
	t := time.NewTimer(seconds(c.MaxCoalescingDelay))
	defer t.Stop()
	for q.length() < c.MaxBatchSize { // filled may be of a batch before
		select {
		case <-q.filled:
		case <-t.C:
			return
		case <-q.ending:
			return
		case <-q.registry.closing:
			return
		}
	}
}

// take gives the oldest entries, at most a batch of them.
func (q *Queue) take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.entries), q.spec.Config.MaxBatchSize)
	batch := make([][]byte, n)
	copy(batch, q.entries)
	for i, e := range batch {
		q.bytes -= len(e)
		q.sending += len(e)
		q.entries[i] = nil
	}
	q.entries = q.entries[n:]
	return batch
}

// delivered forgets the batch, which was delivered or given up.
func (q *Queue) delivered() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.account(-q.sending)
	q.sending = 0
}

// Permanent marks an error of Spec.Send after which another try is of no use.
func Permanent(err error) error { return backoff.Permanent(err) }

// rejection is an error after which a batch is done with.
type rejection struct {
	error
	entries int
}

func (r *rejection) Unwrap() error { return r.error }

// Rejected marks an error of Spec.Send that cost some entries of the batch, while the
// others were delivered. Nothing is sent again.
func Rejected(entries int, err error) error { return &rejection{err, entries} }

// deliver sends a batch until that succeeds, or max_retry_time has passed.
func (q *Queue) deliver(ctx context.Context, batch [][]byte) {
	c := &q.spec.Config
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = seconds(c.InitialRetryDelay), seconds(c.MaxRetryDelay)
	delays.Multiplier, delays.RandomizationFactor = 2, 0
	began := time.Now()
	for {
		err := q.spec.Send(ctx, batch)
		if err == nil {
			q.sent.Add(float64(len(batch)))
			return
		}
		var rejected *rejection
		if errors.As(err, &rejected) {
			q.warn(err, rejected.entries)
			q.sent.Add(float64(len(batch) - rejected.entries))
			q.dropFailed.Add(float64(rejected.entries))
			return
		}
		q.warn(err, len(batch))
		wait := delays.NextBackOff()
		if ctx.Err() != nil {
			q.dropClosed.Add(float64(len(batch)))
			return
		}
		var permanent *backoff.PermanentError
		if errors.As(err, &permanent) || c.MaxRetryTime < 0 || time.Since(began)+wait > seconds(c.MaxRetryTime) {
			q.dropFailed.Add(float64(len(batch)))
			return
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			q.dropClosed.Add(float64(len(batch)))
			return
		}
	}
}

func (q *Queue) warn(err error, entries int) {
	now, last := time.Now().UnixNano(), q.warned.Load()
	if now-last > int64(warnEvery) && q.warned.CompareAndSwap(last, now) {
		q.log.Warn("entries could not be delivered", "error", err, "entries", entries)
	}
}
