package readings

import (
	"runtime"
	"sync"
	"time"
)

// Heartbeat is a thread that does nothing but sleep for a moment and look at the clock. A beat that comes late says that the machine ran
// nothing for that time, or nothing of ours: it tells a stall of the host without a look at what is measured.
type Heartbeat struct {
	stop chan struct{}
	done sync.WaitGroup
	seen Pulse
}

// Pulse is what a heartbeat saw.
type Pulse struct {
	Longest time.Duration // by how much the latest beat was late
	Lost    time.Duration // all beats that were late by more than lateBeat, together
}

const (
	beat = 5 * time.Millisecond
	// lateBeat is more than a busy machine with a fair scheduler makes a sleeper wait.
	lateBeat = 50 * time.Millisecond
)

// BeginHeartbeat starts one. End must be called.
func BeginHeartbeat() *Heartbeat {
	h := &Heartbeat{stop: make(chan struct{})}
	h.done.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tick := time.NewTicker(beat)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-h.stop:
				h.note(time.Since(last) - beat)
				return
			case <-tick.C:
			}
			now := time.Now()
			h.note(now.Sub(last) - beat)
			last = now
		}
	})
	return h
}

func (h *Heartbeat) note(late time.Duration) {
	h.seen.Longest = max(h.seen.Longest, late)
	if late > lateBeat {
		h.seen.Lost += late
	}
}

// End stops the heartbeat, and says what it saw. It may be called once.
func (h *Heartbeat) End() Pulse {
	close(h.stop)
	h.done.Wait()
	return h.seen
}
