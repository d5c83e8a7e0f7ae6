package upstream

import (
	"math"
	"sync/atomic"
	"time"
)

// forever is until a probe or a person says otherwise.
const forever = math.MaxInt64

// longestEject bounds how long a target is ejected after many failed
// trials in a row.
const longestEject = time.Minute

// health is a target's passive health and its circuit breaker: they are one
// mechanism. Closed: in use. Open: ejected until a time. Half-open: that
// time has come, and one request at a time tries whether it works again.
type health struct {
	rules  atomic.Pointer[rules]
	until  atomic.Int64 // 0: closed; else Unix nanoseconds from which it may be tried
	rounds atomic.Int32 // failed trials in a row: each doubles the time
	struck atomic.Bool  // a strike is not 0: spares successes three loads
	strike [failKinds]atomic.Int32
	trials atomic.Int32 // good ones in a row
}

// attempt is what a request means for the target that was chosen for it.
type attempt uint8

const (
	asUsual attempt = iota
	asTrial         // it decides over a half-open target
	asLast          // there is no healthy target: all are used as they are
)

// available is false while the target is ejected.
func (h *health) available(now int64) bool {
	u := h.until.Load()
	return u == 0 || u <= now
}

// claim takes the target for a request. Of the requests that find it half-open
// one has the trial; when that takes too long there is another.
func (h *health) claim(now int64) (attempt, bool) {
	u := h.until.Load()
	switch {
	case u == 0:
		return asUsual, true
	case u > now:
		return 0, false
	}
	return asTrial, h.until.CompareAndSwap(u, now+int64(h.rules.Load().ejectFor))
}

// succeeded counts an answer. Its status is judged by the rules.
func (t *Target) succeeded(status int, how attempt) {
	r := t.rules.Load()
	if r.configured {
		if r.bad.has(status) {
			t.failed(failHTTP, how)
			return
		}
		if !r.good.has(status) && how == asUsual {
			return
		}
	}
	if t.struck.Load() {
		t.struck.Store(false)
		for i := range t.strike {
			t.strike[i].Store(0)
		}
	}
	if how == asUsual {
		return
	}
	if u := t.until.Load(); u == 0 || u == forever && how == asLast {
		return // a target ejected by hand is not brought back by need
	}
	if t.trials.Add(1) >= r.successes {
		t.heal()
		return
	}
	t.until.Store(time.Now().UnixNano()) // the next trial may come at once
}

// failed counts a failure; enough of them in a row eject the target.
func (t *Target) failed(kind int, how attempt) {
	r := t.rules.Load()
	if r.limits[kind] == 0 && how != asTrial {
		return
	}
	t.trials.Store(0)
	switch {
	case how == asTrial:
		n := t.rounds.Add(1)
		wait := min(r.ejectFor<<min(n, 10), max(longestEject, r.ejectFor))
		t.until.Store(time.Now().Add(wait).UnixNano())
	case t.until.Load() != 0: // ejected already
	default:
		t.struck.Store(true)
		if t.strike[kind].Add(1) >= r.limits[kind] {
			t.eject(failNames[kind])
		}
	}
}

// eject opens the breaker.
func (t *Target) eject(cause string) {
	r := t.rules.Load()
	until := int64(forever)
	if !r.recovers && cause != byHand {
		until = time.Now().Add(r.ejectFor).UnixNano()
	}
	if !t.until.CompareAndSwap(0, until) {
		if cause == byHand {
			t.until.Store(until)
		}
		return
	}
	t.trials.Store(0)
	t.rounds.Store(0)
	t.told.ejected(t, cause)
}

// heal closes the breaker and forgets the failures.
func (t *Target) heal() {
	for i := range t.strike {
		t.strike[i].Store(0)
	}
	t.struck.Store(false)
	t.rounds.Store(0)
	t.trials.Store(0)
	if t.until.Swap(0) != 0 {
		t.told.healed(t)
	}
}

// byHand is the cause of an ejection that a person asked for.
const byHand = "manual"

// State is how a target stands in a balancer.
type State int

// The states of a target's circuit breaker.
const (
	Closed State = iota
	HalfOpen
	Open
)

func (h *health) state(now time.Time) State {
	switch u := h.until.Load(); {
	case u == 0:
		return Closed
	case u <= now.UnixNano():
		return HalfOpen
	}
	return Open
}
