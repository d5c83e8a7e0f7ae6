package trial

import (
	"fmt"
	"math"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// window is what was counted in the last while.
type window struct {
	samples []sample // the oldest first; the first one may be older than the window
}

// sample is what was counted until a time.
type sample struct {
	at     time.Time
	counts entity.TrialCounts
}

// newWindow begins with nothing counted, when the trial began.
func newWindow(now time.Time, age time.Duration) window {
	return window{samples: []sample{{at: now.Add(-age)}}}
}

func (w *window) empty() bool { return len(w.samples) == 0 }

func lengthOf(r *entity.TrialRules) time.Duration { return time.Duration(r.Window) * time.Second }

func (w *window) add(now time.Time, c entity.TrialCounts) {
	w.samples = append(w.samples, sample{now, c})
}

// counts are those of the window. What is older is forgotten.
func (w *window) counts(length time.Duration) entity.TrialCounts {
	last := w.samples[len(w.samples)-1]
	for len(w.samples) > 1 && last.at.Sub(w.samples[1].at) >= length {
		w.samples = w.samples[1:]
	}
	return last.counts.Minus(w.samples[0].counts)
}

// certainty is how many standard errors a share has to be beyond its limit before a
// trial is dropped: a judgement is made every second, and one request that fails of
// twenty says little about one percent.
const certainty = 3

// missed says which objective was missed in a window, "" for none.
func missed(r *entity.TrialRules, w *window) string {
	c := w.counts(lengthOf(r))
	if c.Requests < r.MinRequests || c.Requests == 0 {
		return ""
	}
	if r.MaxErrors != nil && atLeast(c.Errors, c.Requests) > *r.MaxErrors/100 {
		return fmt.Sprintf("max_errors=%v%%: %d of %d requests failed within %v", *r.MaxErrors, c.Errors, c.Requests, lengthOf(r))
	}
	if r.MaxP99 > 0 && atLeast(c.Slow, c.Requests) > slowShare {
		return fmt.Sprintf("max_p99=%dms: %d of %d requests took longer within %v", r.MaxP99, c.Slow, c.Requests, lengthOf(r))
	}
	return ""
}

// slowShare is how many requests may be slower than their p99.
const slowShare = 0.01

// unmet says what speaks against promoting a trial, "" for nothing.
func unmet(r *entity.TrialRules, c entity.TrialCounts) string {
	switch {
	case c.Requests < r.MinRequests || c.Requests == 0:
		return fmt.Sprintf("it had %d requests: want min_requests=%d", c.Requests, r.MinRequests)
	case r.MaxErrors != nil && share(c.Errors, c.Requests) > *r.MaxErrors/100:
		return fmt.Sprintf("max_errors=%v%% is not met: %s", *r.MaxErrors, describe(c))
	case r.MaxP99 > 0 && share(c.Slow, c.Requests) > slowShare:
		return fmt.Sprintf("max_p99=%dms is not met: %s", r.MaxP99, describe(c))
	}
	return ""
}

func describe(c entity.TrialCounts) string {
	return fmt.Sprintf("%d requests, %d failed, %d slow", c.Requests, c.Errors, c.Slow)
}

func share(part, of int64) float64 { return float64(part) / float64(of) }

// atLeast is the lower end of Wilson's interval of a share.
func atLeast(part, of int64) float64 {
	const z = certainty
	n, p := float64(of), share(part, of)
	return (p + z*z/(2*n) - z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))) / (1 + z*z/n)
}
