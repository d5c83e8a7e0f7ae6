package airatelimiting

import (
	"context"
	"sync"
	"time"
)

// window is one limit: tokens in a time that is aligned to the Unix epoch.
type window struct {
	limit int64
	size  int64 // ms
}

// decision is what came of a reservation.
type decision struct {
	allowed bool
	now     int64   // ms since the epoch, by the clock of the counters
	starts  []int64 // ms since the epoch, of each window
	used    []int64 // tokens of each window, with this reservation
	took    []int64 // what was reserved in each window
}

// counters count tokens by key.
type counters interface {
	// reserve takes tokens from every window, or from none where one has not enough left. A request that needs more than a whole
	// window has is let in when the window is unused.
	reserve(ctx context.Context, key string, windows []window, tokens int64) (decision, error)
	// adjust adds to what was taken, in the windows of the decision as far as they last. by may be negative.
	adjust(ctx context.Context, key string, windows []window, d *decision, by []int64) error
}

// memory counts in this process.
type memory struct {
	now func() time.Time

	mu    sync.Mutex
	keys  map[string]*tokens // guarded by mu
	swept int64              // ms since the epoch; guarded by mu
}

// tokens are the counters of a key.
type tokens struct {
	starts, used []int64
	ends         int64 // when the last window ends
}

// mostKeys bounds how many keys are counted at a time. Beyond it those that would be new are refused a counter of their own: they share
// one, so that clients who make keys up limit each other and nobody else.
const mostKeys = 100_000

// overflowKey is the key that is shared beyond mostKeys.
const overflowKey = "\x00overflow"

// sweepEvery is how often counters of the past are dropped, in ms.
const sweepEvery = 10_000

func newMemory(now func() time.Time) *memory { return &memory{now: now, keys: map[string]*tokens{}} }

func (m *memory) reserve(_ context.Context, key string, windows []window, n int64) (decision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now().UnixMilli()
	t := m.of(key, windows, now)
	count := len(windows)
	d := decision{allowed: true, now: now, starts: make([]int64, count), used: make([]int64, count), took: make([]int64, count)}
	for i, w := range windows {
		if start := now - now%w.size; t.starts[i] != start {
			t.starts[i], t.used[i] = start, 0
		}
		d.starts[i], d.used[i] = t.starts[i], t.used[i]
		d.took[i] = min(n, w.limit)
		d.allowed = d.allowed && t.used[i]+d.took[i] <= w.limit
	}
	if !d.allowed {
		return d, nil
	}
	for i := range windows {
		t.used[i] += d.took[i]
		d.used[i] = t.used[i]
	}
	return d, nil
}

// of finds or makes the counters of a key.
func (m *memory) of(key string, windows []window, now int64) *tokens {
	t := m.keys[key]
	if t == nil && len(m.keys) >= mostKeys {
		m.sweep(now)
		if len(m.keys) >= mostKeys {
			key = overflowKey
			t = m.keys[key]
		}
	}
	if t == nil || len(t.starts) != len(windows) {
		t = &tokens{starts: make([]int64, len(windows)), used: make([]int64, len(windows))}
		m.keys[key] = t
	}
	for _, w := range windows {
		t.ends = max(t.ends, now-now%w.size+w.size)
	}
	return t
}

// sweep drops counters whose windows are over.
func (m *memory) sweep(now int64) {
	if now-m.swept < sweepEvery {
		return
	}
	m.swept = now
	for key, t := range m.keys {
		if t.ends <= now {
			delete(m.keys, key)
		}
	}
}

func (m *memory) adjust(_ context.Context, key string, windows []window, d *decision, by []int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.keys[key]
	if t == nil {
		t = m.keys[overflowKey]
	}
	if t == nil || len(t.starts) != len(windows) {
		return nil
	}
	for i := range windows {
		if t.starts[i] == d.starts[i] {
			t.used[i] = max(0, t.used[i]+by[i])
		}
	}
	return nil
}
