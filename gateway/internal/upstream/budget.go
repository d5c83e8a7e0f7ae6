package upstream

import (
	"sync/atomic"
	"time"
)

// budgetWindow is over how many seconds retries are weighed against requests.
const budgetWindow = 10

// budget bounds how often a service's requests are retried, so that retries
// cannot make an overload worse: a share of the requests of the last seconds,
// and a few for services with little traffic. Requests that never left (a
// connection that could not be made) cost nothing.
type budget struct {
	percent, perSecond int64
	slots              [budgetWindow]budgetSlot
}

type budgetSlot struct {
	second            atomic.Int64
	requests, retries atomic.Int64
}

// slot is that of now, emptied when it was last used a window ago. Counts that
// come while it is emptied may be lost; they are few.
func (b *budget) slot(now time.Time) *budgetSlot {
	second := now.Unix()
	s := &b.slots[second%budgetWindow]
	if was := s.second.Load(); was != second && s.second.CompareAndSwap(was, second) {
		s.requests.Store(0)
		s.retries.Store(0)
	}
	return s
}

func (b *budget) request(now time.Time) { b.slot(now).requests.Add(1) }

// take spends one retry, if there is one left.
func (b *budget) take(now time.Time) bool {
	current := b.slot(now)
	var requests, retries int64
	for i := range b.slots {
		if s := &b.slots[i]; now.Unix()-s.second.Load() < budgetWindow {
			requests += s.requests.Load()
			retries += s.retries.Load()
		}
	}
	// What is due to little traffic is due each second, not saved up for a burst.
	if retries >= requests*b.percent/100 && current.retries.Load() >= b.perSecond {
		return false
	}
	current.retries.Add(1)
	return true
}
