package upstream

import (
	"errors"
	"time"

	"github.com/valyala/fasthttp"
)

// Waited returns for how long, of the time between asked and answered, the target
// had the whole request. Before that, it is the client who sets the pace. It is
// negative where a part of the body was still to come.
func (c *Call) Waited(asked, answered time.Time) time.Duration {
	whole := asked
	switch u := c.upload; {
	case u != nil && u.src != nil:
		after := u.wholeAfter.Load()
		if after == 0 {
			return -1
		}
		whole = u.exchange.began.Add(time.Duration(after))
	case u == nil && c.streamed:
		if c.sentAt.IsZero() {
			return -1
		}
		whole = c.sentAt
	}
	if whole.Before(asked) {
		whole = asked
	}
	return max(0, answered.Sub(whole))
}

// observe takes over for the latency of a target how long an answer took that is no
// error: those may be quick.
func (c *Call) observe(t *Target, began time.Time) {
	if !c.Balancer.measures || c.Response.Header.StatusCode() >= fasthttp.StatusInternalServerError {
		return
	}
	now := time.Now()
	if took := c.Waited(began, now); took >= 0 {
		t.latency.observe(took, now)
	}
}

// IsWithdrawn tells whether it was the client who ended a call: its body broke off, or
// the deadline that it had set has passed.
func IsWithdrawn(err error) bool { return isBodyError(err) || errors.Is(err, errDeadline) }
