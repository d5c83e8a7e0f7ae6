package engine

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Waits of a connection after consecutive failures, so that a dead target does not
// receive a storm of connections.
const (
	firstWait = 5 * time.Millisecond
	longWait  = 200 * time.Millisecond
	// spread is the time over which the connections of an attack are opened, at
	// most: a thousand at once are more than a listener's backlog.
	spread = 200 * time.Millisecond
)

// runClosed keeps every connection busy until the window is over and the last
// responses have come, or ctx ends.
func (r *run) runClosed(ctx context.Context) {
	var wg sync.WaitGroup
	before := r.first * max(r.attack.Streams, 1) // those of other workers
	for i := range r.attack.AtATime() {
		wg.Go(func() {
			l := &closedConnection{run: r, n: i, conn: newConn(), random: newStream(r.attack.Seed, uint64(before+i))}
			l.drive(ctx)
		})
	}
	wg.Wait()
}

// lane is one connection of a closed attack, with its own random numbers.
type closedConnection struct {
	*run
	n      int
	conn   *conn
	random stream
	sent   uint64
	dialed bool          // the first connection was made
	wait   time.Duration // after the next failure
}

func (l *closedConnection) drive(ctx context.Context) {
	defer l.drop(false)
	if l.attack.Connections > 100 {
		sleep(ctx, spread*time.Duration(l.n)/time.Duration(l.attack.Connections))
	}
	e := &event{}
	now := time.Now()
	for ctx.Err() == nil && now.Before(l.ends) {
		e.draw = l.plan.draw(&l.random)
		e.sent = now.Sub(l.began)
		l.rec.begin()
		err := l.send(ctx, e, now)
		now = time.Now()
		l.rec.end()
		if err != nil && ctx.Err() != nil {
			return // cut off, not failed
		}
		e.end = now.Sub(l.began)
		e.fill(l.conn, err)
		l.rec.record(l.n, e)
		if err == nil {
			l.wait = 0
			if l.conn.res.close || e.mismatched() || l.attack.Reconnect {
				l.drop(false)
			}
			continue
		}
		l.drop(true)
		l.wait = min(max(2*l.wait, firstWait), longWait)
		sleep(ctx, l.wait)
		now = time.Now()
	}
}

// send makes one exchange, on a new connection where there is none.
func (l *closedConnection) send(ctx context.Context, e *event, now time.Time) error {
	timeout := l.attack.Timeout
	l.sent++
	if l.multi != nil {
		l.rec.sent.Add(1)
		return l.multi.exchange(ctx, l.conn, e.draw, l.sampled(uint64(l.n)+l.sent), now.Add(timeout))
	}
	if l.conn.net == nil {
		refused, err := l.open(ctx, l.conn, e.draw, timeout, !l.dialed)
		if err != nil {
			return err
		}
		l.dialed = true
		if refused {
			l.rec.sent.Add(1)
			return nil
		}
	}
	if l.conn.socket != nil {
		l.rec.sent.Add(1)
		return l.conn.message(e.draw, now.Add(timeout), timeout)
	}
	l.conn.out = l.plan.append(l.conn.out[:0], e.draw)
	l.rec.sent.Add(1)
	// Each connection begins elsewhere in the count: many that send little check
	// as large a share as few that send much.
	return l.conn.exchange(e.req.Method == http.MethodHead, l.sampled(uint64(l.n)+l.sent), now.Add(timeout), timeout)
}

// sampled tells whether the n-th response's body is checked.
func (r *run) sampled(n uint64) bool {
	return r.attack.SampleEvery > 0 && n%uint64(r.attack.SampleEvery) == 0
}

func (l *closedConnection) drop(givenUp bool) {
	if l.conn.net != nil {
		l.dialer.close(l.conn.net, givenUp)
		l.conn.net = nil
	}
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
