package upstream

import (
	"context"
	"errors"
	"io"
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
	Deadline time.Time          // of all attempts, over HTTP/2; zero: none
	Now      time.Time          // of the call, where the caller has asked the clock; else zero

	KeepHost   bool // the request's Host is sent as it is, not made the chosen target's
	Unbuffered bool // every response with a body is a stream, which is passed on as it comes

	// OnConn, if set, learns the connection in use (nil when it is given back),
	// so that a lost client can end the wait by closing it.
	OnConn func(io.Closer)
	// Gone, if set, tells that the client has left: the request is not retried.
	Gone func() bool
	// OnRefusal, if set, is called when the upstream answers with an error before
	// it has the whole request body. It should make a read of the body that is
	// under way return: the answer is passed on at once, the rest of the body is
	// not sent. It is called from another goroutine, but never after Do.
	OnRefusal func()
	// OnEnd, if set, is called once when a streamed response has ended, with the
	// bytes of body that passed, and what broke it off: nil when it is whole. It
	// is not called when Do returns an error or Streamed is false.
	OnEnd func(passed int64, err error)

	// Trailers, if set, are the fields that follow the request's body; it is asked
	// once the body has ended. Only a body of unknown length is followed by any.
	Trailers func() []Field
	// OnTrailers, if set, is told of the fields that follow a streamed response's
	// body, before the read of it that returns io.EOF does. They are as the upstream
	// sent them: what may pass is for the caller to decide.
	OnTrailers func([]Field)

	// OnInterim, if set, is told of each interim answer (1xx) but 100 and 101, of
	// which there are mostInterim at most. The header is good until it returns.
	OnInterim func(*fasthttp.ResponseHeader)

	// OnTry, if set, is told of each attempt at a target when it has ended, before
	// OnEnd.
	OnTry func(Try)

	// Results.
	Streamed bool
	Target   *Target
	Upgraded io.ReadWriteCloser // after 101: the connection with what was read ahead

	retry retryPolicy

	// Of the attempt under way.
	how      attempt
	stream   *stream // of the response
	body     bodyWriter
	upload   *http2Upload // nil over HTTP/1.1
	streamed bool         // over HTTP/1.1, the request's body came as a stream
	sentAt   time.Time    // when that had been sent whole; zero: it has not
}

// Uploading tells, over HTTP/2, whether a part of the request's body has been
// sent, and more of it is to come.
func (c *Call) Uploading() bool {
	return c.upload != nil && c.upload.begun.Load() && !c.upload.whole.Load()
}

// Field is a field of a header or trailer section.
type Field struct{ Name, Value string }

// Try is one attempt at a target.
type Try struct {
	Address string // host:port, as it is configured
	Started time.Time
	Took    time.Duration
	Status  int   // of the answer; 0: there was none
	Err     error // why there is no answer
}

// Do sends the request and reads the response's headers, and its body when it
// is short. The error is a *DialError, a *ResponseError, a net.Error with
// Timeout, ErrNoTarget, or what broke the connection. Whether the request is sent
// again after an attempt says retryPolicy.
func (p *Pools) Do(c *Call) error {
	c.setDefaults()
	b := c.Balancer
	c.retry.begin(p, c)
	t, how := b.choose(c.Now, c.Hash, nil)
	if t == nil {
		p.metrics.noHealthy.Inc()
		return ErrNoTarget
	}
	var tried map[*Target]bool
	led := false
	for {
		c.Target = t
		c.how = how
		c.retry.sent = false
		ended, err := p.attempt(c, t)
		if errors.Is(err, errServices) && !led {
			led = true
			if t, how = p.lead(c, t, tried); t == nil {
				return ErrNoTarget
			}
			continue
		}
		if !c.retry.another(ended) {
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
		if !c.retry.spend(ended, now) {
			return err
		}
		if ended == outcomeStatus {
			c.discardAnswer()
		}
	}
}

// discardAnswer makes the response ready for another attempt's.
func (c *Call) discardAnswer() {
	if c.Streamed {
		_ = c.Response.CloseBodyStream()
		c.Streamed = false
	}
	// Not Reset: it would have the codec write a Date of its own over the one of
	// the next answer. The next read resets the header.
	c.Response.ResetBody()
	c.Response.SkipBody, c.Response.ImmediateHeaderFlush = false, false
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

// attempt is ask, and tells OnTry.
func (p *Pools) attempt(c *Call, t *Target) (outcome, error) {
	if c.OnTry == nil {
		return p.ask(c, t)
	}
	try := Try{Address: t.Address, Started: time.Now()}
	ended, err := p.ask(c, t)
	if errors.Is(err, errServices) {
		return ended, err
	}
	try.Took, try.Err = time.Since(try.Started), err
	if err == nil {
		try.Status = c.Response.StatusCode()
	}
	c.OnTry(try)
	return ended, err
}

// ask makes one attempt at a target: on a kept connection if there is one, and
// once more on a new one if that turns out to be stale, so that no client sees
// that a peer closes idle connections.
func (p *Pools) ask(c *Call, t *Target) (outcome, error) {
	if t.http2 != nil {
		return p.askHTTP2(c, t)
	}
	if !c.KeepHost {
		c.Request.Header.SetHost(t.authority)
	}
	name := t.serverName(c.Request.Header.Host())
	if k := p.kept(t, name); k != nil {
		err := p.use(c, t, k)
		o := c.retry.outcome(c, k, err)
		if err == nil || !c.retry.onNewConnection(o) {
			c.blame(t, k, o)
			return o, err
		}
	}
	k, err := t.dial(c.Connect, name)
	if err != nil {
		c.blameDial(t, err)
		return outcomeUnconnected, err
	}
	err = p.use(c, t, k)
	o := c.retry.outcome(c, k, err)
	c.blame(t, k, o)
	return o, err
}

// blameDial counts that a target could not be reached, unless it may be the request's
// fault: no client may make a target look broken by the name that it asks for.
func (c *Call) blameDial(t *Target, err error) {
	var dial *DialError
	switch {
	case errors.Is(err, errServices):
	case isTimeout(err) || errors.Is(err, context.DeadlineExceeded):
		t.failed(failTimeout, c.how)
	case errors.As(err, &dial) && dial.foreignName:
	default:
		t.failed(failTCP, c.how)
	}
}

// kept takes an idle connection on which nothing has come since its last
// answer. What had come would be taken for this request's answer, and its own
// for the next one's: so each is examined, whatever the method.
func (p *Pools) kept(t *Target, name string) *conn {
	if p.config.Keepalive == 0 {
		return nil
	}
	for {
		k := t.pool.take(time.Now(), p.config.KeepaliveIdle, name)
		if k == nil {
			return nil
		}
		switch k.look() {
		case quiet:
			if !t.isDistrusted() {
				return k
			}
		case talking:
			p.metrics.unsolicitedBytes(t, whenIdle)
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
		c.observe(t, began)
		t.succeeded(c.Response.Header.StatusCode(), c.how)
		return nil
	}
	c.retry.sent = c.retry.sent || k.sent
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

// PassThrough has the body of an unbuffered response of known length written to
// the client's connection as it comes. It is called last, before the response
// is written, and only where nothing else has taken the body stream.
func (c *Call) PassThrough(client io.Writer) {
	if c.Unbuffered && c.stream != nil && c.stream.sized && c.Response.BodyStream() == io.Reader(c.stream) {
		c.stream.client = client
	}
}

func isBodyError(err error) bool {
	var b *BodyError
	return errors.As(err, &b)
}

func (c *Call) gone() bool { return c.Gone != nil && c.Gone() }

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
