package engine

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/otlp"
)

// Of an open attack's workers.
const (
	firstWorkers = 64
	// fileReserve files are left for what is not a request's connection.
	fileReserve = 64
)

// openStats are the workers of an open attack.
type openStats struct{ peak, limit int }

// runOpen sends at the attack's rate, with vegeta, until the window is over and
// the last responses have come, or ctx ends.
//
// vegeta paces, keeps the workers and stamps the times; the exchange itself is
// made by the lean client, as vegeta's transport, and known to the consumer of
// the results by the request's number.
func (r *run) runOpen(ctx context.Context) openStats {
	total := r.attack.Warmup + r.attack.Duration
	pace := newPacer(ctx, r.attack, total)
	defer pace.close()
	pace.late = r.late
	if r.attack.Begin != nil {
		pace.from = r.started
	}
	t := &transport{run: r, ctx: ctx, pool: newPool(r.dialer)}
	if n := r.attack.AtATime(); n > 0 {
		t.slots = make(chan struct{}, n)
	}
	limit := r.workerCap()
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{Transport: t}),
		vegeta.Workers(uint64(min(firstWorkers, limit))), vegeta.MaxWorkers(uint64(limit)))
	undo := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer undo()

	results := attacker.Attack(t.target, pace, 0, "")
	for res := range results {
		t.consume(pace, res)
	}
	if !pace.began.IsZero() {
		r.beganAt(pace.began)
	}
	r.rec.unsent = pace.unsent(r.attack.Warmup, total)
	end := r.attack.Warmup
	for i := range r.rec.segments {
		begin := end
		end += r.attack.Shape[i].For
		r.rec.segments[i].unsent = pace.unsent(begin, end)
	}
	return openStats{peak: int(r.rec.peak.Load()), limit: limit}
}

// workerCap is how many requests may be in flight.
func (r *run) workerCap() int {
	limit := r.attack.MaxWorkers
	if fds := fileLimit(); fds > 2*fileReserve && fds-fileReserve < uint64(limit) {
		limit = int(fds - fileReserve)
	}
	return limit
}

// transport makes vegeta's exchanges.
type transport struct {
	*run
	ctx  context.Context
	pool *pool
	done eventTable
	// slots limit the connections in use to Connections; nil: no limit. A request
	// waits for a free one, as in a client's own pool, and the wait is part of its
	// latency.
	slots chan struct{}
}

// target is vegeta's targeter. What is sent is known only with the request's
// number, in RoundTrip, so all are alike.
func (t *transport) target(out *vegeta.Target) error {
	out.Method = http.MethodGet
	out.URL = t.attack.Target
	return nil
}

// seqHeader is where vegeta puts the request's number.
const seqHeader = "X-Vegeta-Seq"

var nothing = io.NopCloser(emptyBody{})

type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }

// RoundTrip draws the request of this number, sends it, and judges the response.
// It never fails: what went wrong is in the event.
func (t *transport) RoundTrip(q *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(q.Header.Get(seqHeader), 10, 64)
	if err != nil {
		return nil, err // vegeta without numbers is not the vegeta this is made for
	}
	t.rec.begin()
	e := t.exchange(seq)
	t.rec.end()
	t.done.put(seq, e)
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: nothing, Request: q,
	}, nil
}

// pendingEvent is an event that owns its names.
type pendingEvent struct {
	event
	names [3][]byte
	cut   bool // ended by an abort: not counted
}

func (t *transport) exchange(seq uint64) *pendingEvent {
	e := t.done.fresh()
	random := newStream(t.attack.Seed, t.attack.Part.Seq(seq))
	e.draw = t.plan.draw(&random)
	if t.attack.Trace {
		e.trace = otlp.NewContext().Append(nil)
	}
	now := time.Now()
	deadline := now.Add(t.attack.Timeout)
	if !t.acquire(now.Add(time.Duration(waitShare * float64(t.attack.Timeout)))) {
		e.verdict = verdict{outcome: failure, kind: load.KindTimeout}
		e.status = 0
		e.size = 0
		e.cache = nil
		e.node = nil
		e.edge = nil
		e.cut = t.ctx.Err() != nil
		return e
	}
	defer t.release()
	c, err := t.attempt(e, seq, deadline, false)
	if err != nil && c != nil && stale(c, err) {
		t.pool.drop(c, false)
		c, err = t.attempt(e, seq, deadline, true)
	}
	e.cut = err != nil && t.ctx.Err() != nil
	if c == nil {
		e.verdict = verdict{outcome: failure, kind: kindOf(err)}
		e.status = 0
		e.size = 0
		e.cache = nil
		e.node = nil
		e.edge = nil
		return e
	}
	e.fill(c, err)
	// The connection's memory is the next request's.
	e.names[0] = append(e.names[0][:0], e.cache...)
	e.names[1] = append(e.names[1][:0], e.node...)
	e.names[2] = append(e.names[2][:0], e.edge...)
	e.cache = e.names[0]
	e.node = e.names[1]
	e.edge = e.names[2]
	if err != nil || c.res.close || e.mismatched() || t.attack.Reconnect || t.multi != nil {
		t.pool.drop(c, err != nil)
	} else {
		t.pool.give(c)
	}
	return e
}

// waitShare is the part of a request's time-out that it may wait for a slot. A
// request that gets one when its time is nearly up would be sent in vain, and so
// would all behind it: a queue that once grew as long as the time-out would never
// shrink again, however fast the target became.
const waitShare = 0.5

// acquire waits for a slot until a time.
func (t *transport) acquire(until time.Time) bool {
	if t.slots == nil {
		return true
	}
	select {
	case t.slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case t.slots <- struct{}{}:
		return true
	case <-timer.C:
	case <-t.ctx.Done():
	}
	return false
}

func (t *transport) release() {
	if t.slots != nil {
		<-t.slots
	}
}

// attempt makes the exchange on a kept connection or, where there is none or
// anew is true, a new one. A nil connection: it could not be opened.
func (t *transport) attempt(e *pendingEvent, seq uint64, deadline time.Time, anew bool) (*conn, error) {
	c := t.pool.take(anew || t.multi != nil)
	if t.multi != nil {
		t.rec.sent.Add(1)
		return c, t.multi.exchange(t.ctx, c, e.draw, t.sampled(seq), deadline)
	}
	if c.net == nil {
		refused, err := t.open(t.ctx, c, e.draw, time.Until(deadline), false)
		switch {
		case err != nil && c.net == nil:
			t.pool.drop(c, false)
			return nil, err
		case err != nil:
			return c, err
		case refused:
			t.rec.sent.Add(1)
			return c, nil
		}
	}
	if c.socket != nil {
		t.rec.sent.Add(1)
		return c, c.message(e.draw, deadline, t.attack.Timeout)
	}
	c.out = t.plan.append(c.out[:0], e.draw)
	t.rec.sent.Add(1)
	return c, c.exchange(e.req.Method == http.MethodHead, t.sampled(seq), deadline, t.attack.Timeout)
}

// idleLong is how long a connection must have been idle for its end to be taken
// for a server's time-out, which every client retries, and not
// for a failure.
const idleLong = time.Second

func stale(c *conn, err error) bool {
	return !c.idle.IsZero() && time.Since(c.idle) > idleLong && c.res.w == 0 &&
		(errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// consume records one of vegeta's results.
func (t *transport) consume(pace *pacer, res *vegeta.Result) {
	e := t.done.get(res.Seq)
	if e == nil {
		// RoundTrip was not reached, which a well-formed attack cannot do; it is
		// counted all the same.
		e = t.done.fresh()
		random := newStream(t.attack.Seed, t.attack.Part.Seq(res.Seq))
		e.draw = t.plan.draw(&random)
		e.verdict = verdict{outcome: failure, kind: load.KindOther, detail: res.Error}
	}
	if !e.cut {
		e.due = pace.due(res.Seq) - t.attack.Warmup
		e.sent = res.Timestamp.Sub(pace.from) - t.attack.Warmup
		e.end = e.sent + res.Latency
		t.rec.record(0, &e.event)
		if t.attack.KeepRaw && e.due >= 0 && len(t.rec.raw) < load.MaxRaw/t.attack.Part.Parts() {
			seq := t.attack.Part.Seq(res.Seq)
			t.rec.raw = append(t.rec.raw, load.Raw{Seq: seq, Sent: e.sent, Service: res.Latency, OK: e.outcome == success})
		}
	}
	t.done.free(e)
}

var (
	_ vegeta.Pacer      = (*pacer)(nil)
	_ http.RoundTripper = (*transport)(nil)
)
