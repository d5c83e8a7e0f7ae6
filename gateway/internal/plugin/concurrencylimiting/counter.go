package concurrencylimiting

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

const shards = 32

// counter counts what is in flight by key. A key is remembered for as long as something of it is in flight.
type counter struct {
	seed   maphash.Seed
	shards [shards]shard
	total  atomic.Int64
}

type shard struct {
	mu sync.Mutex
	m  map[string]*flights // guarded by mu
}

// flights are the requests of a key that are in flight.
type flights struct {
	in  *shard
	key string
	n   int // guarded by in.mu
}

func newCounter() *counter {
	c := &counter{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].m = map[string]*flights{}
	}
	return c
}

// enter counts one more of a key; nil: there are most already. key is copied where it is kept.
func (c *counter) enter(key string, most int) *flights {
	s := &c.shards[maphash.String(c.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.m[key]
	switch {
	case f == nil:
		f = &flights{in: s, key: strings.Clone(key)}
		s.m[f.key] = f
	case f.n >= most:
		return nil
	}
	f.n++
	c.total.Add(1)
	return f
}

// leave counts one less.
func (c *counter) leave(f *flights) {
	s := f.in
	s.mu.Lock()
	defer s.mu.Unlock()
	f.n--
	c.total.Add(-1)
	if f.n == 0 {
		delete(s.m, f.key)
	}
}
