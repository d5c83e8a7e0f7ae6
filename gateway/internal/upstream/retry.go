package upstream

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// outcome is how one attempt at a target ended.
type outcome uint8

const (
	outcomeAnswer      outcome = iota // an answer for the client
	outcomeStatus                     // an answer with a status to retry, without a Retry-After
	outcomeUnconnected                // there was no connection
	outcomeUnsent                     // the connection broke before any byte of the request had left
	outcomeBroken                     // the connection broke, or lost its place, before any of the answer had come
	outcomeTimeout                    // nothing came in time: the upstream may still be at work
	outcomeUnreadable                 // what came is not a response
	outcomeCut                        // the answer had begun and broke off
	outcomeBody                       // the client's body broke off
	outcomeUnsendable                 // the request cannot be written: no target would get it
)

// retryPolicy decides whether the request of one call is retried. Every such
// decision is made here, from the outcome of the attempt and from what the policy
// knows about the request:
//
//   - A request that did not reach an upstream is retried.
//   - One that an upstream may have received is retried only if it is
//     idempotent, by its method or an Idempotency-Key.
//   - Once any of a streamed body was read, the request cannot be retried. A
//     request for a WebSocket has no body and is a GET: it is treated as one.
//   - One that timed out is not retried: the upstream may be working on it.
//     Neither is one whose answer cannot be read: it was answered all the same.
//   - One whose client has left is not retried.
//   - What may have been received costs the service's budget; another try on a
//     new connection, where a kept one had been closed by the peer, does not.
type retryPolicy struct {
	pools      *Pools
	budget     *budget
	gone       func() bool // nil: the client cannot leave
	left       int         // further attempts
	idempotent bool        // to send the request twice changes nothing
	replayable bool        // the whole body is at hand
	sent       bool        // in the attempt under way, bytes of the request have left
}

func (r *retryPolicy) begin(p *Pools, c *Call) {
	*r = retryPolicy{
		pools: p, budget: c.Balancer.budget, gone: c.Gone, left: c.Retries,
		idempotent: isIdempotent(&c.Request.Header), replayable: !c.Request.IsBodyStream(),
	}
	r.budget.request(c.Now)
}

// another tells whether there is another attempt, at another target if there is
// one.
func (r *retryPolicy) another(o outcome) bool { return r.left > 0 && r.allows(o) }

// onNewConnection tells whether the request is sent to the same target once more
// because the kept connection turned out to be stale.
func (r *retryPolicy) onNewConnection(o outcome) bool { return r.allows(o) }

// spend takes an attempt, and tells whether the budget allows for it.
func (r *retryPolicy) spend(o outcome, now time.Time) bool {
	m := r.pools.metrics
	why := whyConnect
	switch {
	case o == outcomeStatus:
		why = whyStatus
	case r.sent:
		why = whyBroken
	}
	if why != whyConnect && !r.budget.take(now) {
		m.exhausted.Inc()
		return false
	}
	m.retries[why].Inc()
	r.left--
	return true
}

func (r *retryPolicy) allows(o outcome) bool {
	allowed := false
	switch o {
	case outcomeUnconnected:
		allowed = true // of a streamed body, too, nothing was read
	case outcomeUnsent:
		allowed = r.replayable
	case outcomeStatus, outcomeBroken:
		allowed = r.idempotent && r.replayable
	}
	return allowed && (r.gone == nil || !r.gone())
}

// outcome tells how an attempt on k ended; err is nil where there is an answer.
func (r *retryPolicy) outcome(c *Call, k *conn, err error) outcome {
	if err != nil {
		return outcomeOf(k, err)
	}
	h := &c.Response.Header
	if r.pools.retry.has(h.StatusCode()) && len(h.Peek(fasthttp.HeaderRetryAfter)) == 0 {
		return outcomeStatus
	}
	return outcomeAnswer
}

// outcomeOf tells how an attempt on k ended with err.
func outcomeOf(k *conn, err error) outcome {
	var (
		body       *BodyError
		unreadable *ResponseError
		network    net.Error
	)
	switch {
	case errors.As(err, &body):
		return outcomeBody
	case errors.As(err, &unreadable):
		return outcomeUnreadable
	case isTimeout(err):
		return outcomeTimeout
	case k.answered:
		return outcomeCut
	case k.sent:
		return outcomeBroken
	case errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return outcomeUnsent
	}
	// Nothing of it left, and not because of the network: no client may make a
	// target look broken by what it sends.
	return outcomeUnsendable
}

// blame counts a failure against the target, where it is the target's.
func (c *Call) blame(t *Target, k *conn, o outcome) {
	switch {
	case o == outcomeAnswer || o == outcomeStatus: // reported with its status
	case c.gone():
	case o == outcomeTimeout:
		t.failed(failTimeout, c.how)
	case k.answered || k.reused: // an answer that broke off, or a kept connection that was closed
	case o == outcomeBroken || o == outcomeUnsent:
		t.failed(failTCP, c.how)
	}
}

// idempotencyKeys are headers by which a client says that the upstream tells
// repetitions of any request.
var idempotencyKeys = []string{"Idempotency-Key", "X-Idempotency-Key"}

func isIdempotent(h *fasthttp.RequestHeader) bool {
	switch string(h.Method()) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	for _, name := range idempotencyKeys {
		if len(h.Peek(name)) > 0 {
			return true
		}
	}
	return false
}
