package engine

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// pacer tells vegeta when to send: each request is due when the attack's schedule says so, counted from the
// attack's beginning; a worker among several sends those that are its part. It does the waiting itself, as the
// runtime's timers are rounded up to a millisecond, which at 5,000/s are five requests in a bunch.
type pacer struct {
	ctx      context.Context
	attack   load.Attack
	schedule *load.Schedule // of all workers
	total    time.Duration
	late     time.Duration // overtime, but for tests
	timer    *os.File      // a timerfd; nil: none could be had

	// arrivals are those of requests that do not follow each other evenly; nil: they do. What was drawn is kept in drawn until the request
	// is over.
	arrivals *load.Arrivals
	mu       sync.Mutex // guards drawn
	drawn    map[uint64]time.Duration

	// from is when the attack begins, and began when vegeta did, from which it stamps results. Where no time was set for the attack, it
	// begins when vegeta does. Both are known once Pace has been called.
	from  time.Time
	began time.Time
	next  uint64 // the first request that was not asked for yet
}

// overtime is how long after its end an attack still sends what was due before.
// A generator that is further behind has not kept its rate, and must not hide that
// by sending everything late.
const overtime = 100 * time.Millisecond

// unsent is how many requests were due between two times and were never sent.
func (p *pacer) unsent(from, to time.Duration) uint64 {
	first, end := p.before(from), p.before(to)
	return end - min(max(p.next, first), end)
}

// before is how many requests of this worker are due before a time.
func (p *pacer) before(at time.Duration) uint64 {
	if p.attack.Arrivals == load.Poisson {
		again := load.NewArrivals(p.attack.Seed)
		for n := uint64(0); ; n++ {
			if p.schedule.At(again.Count(p.attack.Part.Seq(n))) >= at {
				return n
			}
		}
	}
	n := uint64(p.schedule.Count(at) / float64(p.attack.Part.Parts()))
	for n > 0 && p.evenly(n-1) >= at {
		n--
	}
	for p.evenly(n) < at {
		n++
	}
	return n
}

func newPacer(ctx context.Context, a load.Attack, total time.Duration) *pacer {
	p := &pacer{ctx: ctx, attack: a, schedule: a.Schedule(), total: total, late: overtime}
	if a.Arrivals == load.Poisson {
		p.arrivals, p.drawn = load.NewArrivals(a.Seed), map[uint64]time.Duration{}
	}
	p.timer = newTimer()
	return p
}

func (p *pacer) close() {
	if p.timer != nil {
		p.timer.Close()
	}
}

// evenly is when this worker's request n is due if requests follow each other evenly.
func (p *pacer) evenly(n uint64) time.Duration { return p.schedule.At(float64(p.attack.Part.Seq(n))) }

// draw is when this worker's request n, which is the next one or the one before it, is due.
func (p *pacer) draw(n uint64) time.Duration {
	if p.arrivals == nil {
		return p.evenly(n)
	}
	due := p.schedule.At(p.arrivals.Count(p.attack.Part.Seq(n)))
	p.mu.Lock()
	p.drawn[n] = due
	p.mu.Unlock()
	return due
}

// due is when request n, which is over, was due.
func (p *pacer) due(n uint64) time.Duration {
	if p.arrivals == nil {
		return p.evenly(n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.drawn[n]
	delete(p.drawn, n)
	return due
}

// The last bit of a wait is left to the precise timer.
const (
	coarseWait = 5 * time.Millisecond
	fineWait   = 20 * time.Microsecond // below, waiting takes longer than it should
)

// Waking up costs more CPU than sending: above bunchAbove requests per second they
// leave in bunches, each at most bunch late, which is half of the lag that is
// allowed and is counted in the corrected latency. It saved half of the
// worker's CPU at 8,000/s.
const (
	bunch      = 500 * time.Microsecond
	bunchAbove = 4000
)

// Pace waits until request n is due.
func (p *pacer) Pace(elapsed time.Duration, n uint64) (time.Duration, bool) {
	if p.began.IsZero() {
		p.began = time.Now().Add(-elapsed)
		if p.from.IsZero() {
			p.from = p.began
		}
	}
	elapsed += p.began.Sub(p.from)
	p.next = n
	due := p.draw(n)
	if due >= p.total || elapsed > p.total+p.late || p.ctx.Err() != nil {
		return 0, true
	}
	wait := due - elapsed
	if wait > coarseWait {
		start := time.Now()
		sleep(p.ctx, wait-coarseWait/2)
		if p.ctx.Err() != nil {
			return 0, true
		}
		wait -= time.Since(start)
	}
	if wait < fineWait {
		return 0, false
	}
	if p.Rate(due) > bunchAbove {
		wait = max(wait, bunch)
	}
	if p.timer == nil || p.nap(wait) != nil {
		return wait, false
	}
	return 0, false
}

// nap waits with the timerfd.
func (p *pacer) nap(d time.Duration) error {
	raw, err := p.timer.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	if err := raw.Control(func(fd uintptr) { set = arm(fd, d) }); err != nil {
		return err
	}
	if set != nil {
		return set
	}
	var expirations [8]byte
	_, err = p.timer.Read(expirations[:])
	return err
}

// Rate is what this worker sends per second at a time.
func (p *pacer) Rate(at time.Duration) float64 {
	return p.schedule.Rate(at) / float64(p.attack.Part.Parts())
}
