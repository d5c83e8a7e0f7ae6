package cache

import (
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"
	"github.com/prometheus/client_golang/prometheus"
)

// memory is the replica's own tier. A nil cache (MemoryBytes negative) holds
// nothing.
type memory struct {
	cache *otter.Cache[Key, *Entry]
}

func newMemory(bytes int64, evictions prometheus.Counter) (*memory, error) {
	if bytes < 0 {
		return &memory{}, nil
	}
	c, err := otter.New(&otter.Options[Key, *Entry]{
		MaximumWeight: uint64(bytes),
		Weigher:       func(_ Key, e *Entry) uint32 { return e.weight() },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[Key, *Entry]) time.Duration {
			return max(time.Until(e.Value.KeepUntil), 1)
		}),
		StatsRecorder: &evictionCounter{evictions: evictions},
		Logger:        &otter.NoopLogger{},
	})
	if err != nil {
		return nil, err
	}
	return &memory{cache: c}, nil
}

// peek does not allocate.
func (m *memory) peek(k Key) *Entry {
	if m.cache == nil {
		return nil
	}
	e, _ := m.cache.GetIfPresent(k)
	return e
}

// recall is peek less what was purged or invalidated since it was stored. It does not allocate.
func (s *Store) recall(k Key) *Entry {
	e := s.memory.peek(k)
	if e == nil || e.Kind != Response {
		return e
	}
	if e.state != nil && e.state.count.Load() != e.seen {
		s.memory.drop(k)
		return nil
	}
	last, checked := s.bans.last.Load(), e.checked.Load()
	if checked == last {
		return e
	}
	if s.bans.hit(e, checked) {
		s.memory.drop(k)
		return nil
	}
	e.checked.CompareAndSwap(checked, last)
	return e
}

func (m *memory) put(k Key, e *Entry) {
	if m.cache != nil {
		m.cache.Set(k, e)
	}
}

func (m *memory) drop(k Key) (was bool) {
	if m.cache == nil {
		return false
	}
	_, was = m.cache.Invalidate(k)
	return was
}

func (m *memory) dropAll() {
	if m.cache != nil {
		m.cache.InvalidateAll()
	}
}

func (m *memory) bytes() float64 {
	if m.cache == nil {
		return 0
	}
	return float64(m.cache.WeightedSize())
}

// Memory is how many bytes the memory tier holds, and how many it may hold.
func (s *Store) Memory() (used, most int64) {
	return int64(s.memory.bytes()), max(s.cfg.MemoryBytes, 0)
}

func (m *memory) entries() float64 {
	if m.cache == nil {
		return 0
	}
	return float64(m.cache.EstimatedSize())
}

func (m *memory) close() {
	if m.cache != nil {
		m.cache.InvalidateAll()
		m.cache.StopAllGoroutines()
	}
}

// evictionCounter takes only the evictions from the tier's statistics: hits
// are counted by outcome, where it is known what became of the request.
type evictionCounter struct {
	stats.NoopRecorder
	evictions prometheus.Counter
}

func (c *evictionCounter) RecordEviction(uint32) { c.evictions.Inc() }
