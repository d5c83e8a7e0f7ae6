package upstream

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// Call is one request to a service's targets.
type Call struct {
	Balancer *Balancer
	Hash     uint64 // for consistent hashing
	Request  *fasthttp.Request
	Response *fasthttp.Response // status, headers and body, or a stream, are put here
	Retries  int                // further attempts after the first
	Connect  time.Duration      // 0 is one minute, as of the next two
	Write    time.Duration      // between two writes of the request
	Read     time.Duration      // until the headers, and between two reads of a stream
	Now      time.Time          // of the call, where the caller has asked the clock; else zero

	// OnConn, if set, learns the connection in use (nil when it is given back),
	// so that a lost client can end the wait by closing it.
	OnConn func(io.Closer)
	// Gone, if set, tells that nobody waits for the answer any more: the request
	// is not sent again.
	Gone func() bool
	// OnEnd, if set, is called once when a streamed response has ended, with the
	// bytes of body that passed, and what broke it off: nil when it is whole. It
	// is not called when Do returns an error or Streamed is false.
	OnEnd func(passed int64, err error)

	// Results.
	Streamed bool
	Target   *Target
	Upgraded io.ReadWriteCloser // after 101: the connection with what was read ahead

	// Of the attempt under way.
	how  attempt
	sent bool // bytes of the request have left
}

// idempotencyKeys are headers by which a client says that the upstream tells
// repetitions of any request.
var idempotencyKeys = []string{"Idempotency-Key", "X-Idempotency-Key"}

// Do sends the request and reads the response's headers, and its body when it
// is short. The error is a *DialError, a net.Error with Timeout, ErrNoTarget,
// or what broke the connection.
//
// A request is sent again only when nothing of it has left, or when it is
// idempotent (or carries an Idempotency-Key) and its body can be sent again:
// after a connection broke, or was answered with one of the statuses to retry
// without a Retry-After. One that timed out is not: it may still be under way.
// What was sent once is sent again only within the service's budget.
func (p *Pools) Do(c *Call) error {
	c.setDefaults()
	b := c.Balancer
	whole := !c.Request.IsBodyStream()
	replay := whole && isIdempotent(&c.Request.Header)
	b.budget.request(c.Now)
	t, how := b.choose(c.Now, c.Hash, nil)
	if t == nil {
		p.metrics.noHealthy.Inc()
		return ErrNoTarget
	}
	var tried map[*Target]bool
	for left := c.Retries; ; left-- {
		c.Target, c.how, c.sent = t, how, false
		again, err := p.ask(c, t, whole, replay)
		if err == nil {
			again = replay && p.unwanted(c)
		}
		if !again || left <= 0 {
			return err
		}
		if tried == nil {
			tried = map[*Target]bool{}
		}
		tried[t] = true
		now := time.Now()
		if t, how = b.choose(now, c.Hash, tried); t == nil {
			clear(tried) // all were tried: begin again, as Kong does
			if t, how = b.choose(now, c.Hash, nil); t == nil {
				return err
			}
		}
		if (err == nil || c.sent) && !b.budget.take(now) {
			p.metrics.exhausted.Inc()
			return err
		}
		p.metrics.retries[c.forget(err)].Inc()
	}
}

// unwanted tells whether an answer is one for which it is worth to ask again.
// A Retry-After says that it is not.
func (p *Pools) unwanted(c *Call) bool {
	h := &c.Response.Header
	return p.retry.has(h.StatusCode()) && len(h.Peek(fasthttp.HeaderRetryAfter)) == 0 && !c.gone()
}

// forget throws the last attempt's answer away, and says why there is another.
func (c *Call) forget(err error) string {
	switch {
	case err == nil:
		if c.Streamed {
			_ = c.Response.CloseBodyStream()
			c.Streamed = false
		}
		c.Response.Reset()
		return whyStatus
	case c.sent:
		return whyBroken
	}
	return whyConnect
}

func (c *Call) setDefaults() {
	for _, d := range []*time.Duration{&c.Connect, &c.Write, &c.Read} {
		if *d <= 0 {
			*d = time.Minute
		}
	}
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
}

// ask makes one attempt at a target: on a kept connection if there is one, and
// once more on a new one if that turns out to be stale, so that a peer which
// closes idle connections is never seen by a client. again says that another
// attempt is safe.
func (p *Pools) ask(c *Call, t *Target, whole, replay bool) (again bool, err error) {
	if k := p.kept(t, replay); k != nil {
		if err = p.use(c, t, k); err == nil {
			return false, nil
		}
		if unsendable(k, err) {
			return false, err
		}
		again = whole && (replay || !k.sent) && !isTimeout(err) && !c.gone()
		if !again || k.answered {
			c.blame(t, k, err)
			return again, err
		}
	}
	k, err := t.dial(c.Connect)
	if err != nil {
		if isTimeout(err) {
			t.failed(failTimeout, c.how)
		} else {
			t.failed(failTCP, c.how)
		}
		return !c.gone(), err
	}
	if err = p.use(c, t, k); err == nil {
		return false, nil
	}
	if unsendable(k, err) {
		return false, err
	}
	c.blame(t, k, err)
	return whole && (replay || !k.sent) && !isTimeout(err) && !c.gone(), err
}

// unsendable tells that the request itself was at fault: nothing of it left,
// and not because of the network. Another target would not get it either, and
// no client may have targets taken for broken by what it sends.
func unsendable(k *conn, err error) bool {
	var network net.Error
	return !k.sent && !isBodyError(err) && !errors.As(err, &network) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// blame counts a failure against the target, where it is the target's.
func (c *Call) blame(t *Target, k *conn, err error) {
	switch {
	case isBodyError(err) || c.gone():
	case isTimeout(err):
		t.failed(failTimeout, c.how)
	case k.answered || k.reused: // an answer that broke off, or a kept connection that was closed
	default:
		t.failed(failTCP, c.how)
	}
}

// kept takes an idle connection. One that carries a request which must not be
// sent twice is looked at first.
func (p *Pools) kept(t *Target, replay bool) *conn {
	if p.config.Keepalive == 0 {
		return nil
	}
	for {
		k := t.pool.take(time.Now(), p.config.KeepaliveIdle)
		if k == nil || replay || k.alive() {
			return k
		}
		k.Close()
	}
}

// use sends the request on k; on an error k is closed.
func (p *Pools) use(c *Call, t *Target, k *conn) error {
	t.inflight.Add(1)
	if c.OnConn != nil {
		c.OnConn(k.Conn)
	}
	var began time.Time
	if c.Balancer.measures {
		began = time.Now()
	}
	err := p.exchange(c, t, k)
	if err == nil {
		status := c.Response.Header.StatusCode()
		if c.Balancer.measures && status < fasthttp.StatusInternalServerError { // errors may be quick
			now := time.Now()
			t.latency.observe(now.Sub(began), now)
		}
		t.succeeded(status, c.how)
		return nil
	}
	c.sent = c.sent || k.sent
	t.inflight.Add(-1)
	if c.OnConn != nil {
		c.OnConn(nil)
	}
	k.Close()
	return err
}

// BodyError is an error of the request's body stream: the upstream is not to
// blame for it.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return "request body: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *BodyError) Unwrap() error { return e.Err }

func isBodyError(err error) bool {
	var b *BodyError
	return errors.As(err, &b)
}

func (c *Call) gone() bool { return c.Gone != nil && c.Gone() }

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

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
