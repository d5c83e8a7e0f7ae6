package upstream

import (
	"errors"
	"io"
	"net"

	"github.com/valyala/fasthttp"
)

// outcome is how one attempt at a target ended. What may be sent again is
// decided from it, in one place: repeatable.
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

// repeatable tells whether a request may be sent again after an attempt.
// A request that an upstream may have taken is repeated only if that changes
// nothing (idempotent: by its method, or by an Idempotency-Key), and any only
// while its body is at hand. One that timed out is not: it may be under way. An
// answer that cannot be read is one all the same.
func (o outcome) repeatable(idempotent, body bool) bool {
	switch o {
	case outcomeUnconnected:
		return true // of a streamed body, too, nothing was read
	case outcomeUnsent:
		return body
	case outcomeStatus, outcomeBroken:
		return idempotent && body
	}
	return false
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
	// Nothing of it left, and not because of the network. No client may have
	// targets taken for broken by what it sends.
	return outcomeUnsendable
}

// blame counts a failure against the target, where it is the target's.
func (c *Call) blame(t *Target, k *conn, o outcome) {
	switch {
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
