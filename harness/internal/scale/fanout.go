package scale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// Of the watchers.
const (
	channel       = "gatelab_scale"
	dialAtOnce    = 16
	connectWithin = 2 * time.Minute
	arriveWithin  = 30 * time.Second      // of all watchers' notifications of one change
	pause         = 50 * time.Millisecond // between changes: each is measured alone
	readChange    = "SELECT id, note FROM gatelab_scale WHERE id = $1"
	makeChange    = "INSERT INTO gatelab_scale (note) VALUES ('a change of the configuration') RETURNING id"
	makeTable     = "CREATE TABLE IF NOT EXISTS gatelab_scale (id bigserial PRIMARY KEY, note text NOT NULL)"
	tellOfChange  = "SELECT pg_notify($1, $2)"
	closeWithin   = 5 * time.Second
	warmupChanges = 3
)

// arrival is when one watcher knew of a change.
type arrival struct {
	change int64
	at     time.Time
}

// watchers are clients that LISTEN, each on a connection of its own.
type watchers struct {
	conns    []*pgx.Conn
	arrivals chan arrival
	cancel   context.CancelFunc
	group    *errgroup.Group
	going    context.Context // ends with the first watcher that fails
}

// watch connects so many watchers and waits until all listen. reads has each read a change when it is told of it.
func watch(ctx context.Context, dsn string, n int, reads bool) (*watchers, error) {
	connecting, done := context.WithTimeout(ctx, connectWithin)
	defer done()
	w := &watchers{conns: make([]*pgx.Conn, n), arrivals: make(chan arrival, n)}
	dialling, dctx := errgroup.WithContext(connecting)
	dialling.SetLimit(dialAtOnce)
	for i := range n {
		dialling.Go(func() (err error) {
			if w.conns[i], err = pgx.Connect(dctx, dsn); err == nil {
				_, err = w.conns[i].Exec(dctx, "LISTEN "+channel)
			}
			return err
		})
	}
	if err := dialling.Wait(); err != nil {
		w.close()
		return nil, fmt.Errorf("connect %d watchers: %w", n, err)
	}
	going, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	w.group, w.going = errgroup.WithContext(going)
	for _, c := range w.conns {
		w.group.Go(func() error { return w.follow(w.going, c, reads) })
	}
	return w, nil
}

func (w *watchers) follow(ctx context.Context, c *pgx.Conn, reads bool) error {
	for {
		told, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		id, err := strconv.ParseInt(told.Payload, 10, 64)
		if err != nil {
			return fmt.Errorf("notification %q: want the number of a change", told.Payload)
		}
		if reads {
			var note string
			if err := c.QueryRow(ctx, readChange, id).Scan(&id, &note); err != nil {
				return fmt.Errorf("read the change: %w", err)
			}
		}
		select {
		case w.arrivals <- arrival{id, time.Now()}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close ends all watchers and waits for them.
func (w *watchers) close() {
	if w.cancel != nil {
		w.cancel()
		_ = w.group.Wait() // what it was for is over
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	var closing errgroup.Group
	closing.SetLimit(dialAtOnce)
	for _, c := range w.conns {
		if c != nil {
			closing.Go(func() error { return c.Close(ctx) })
		}
	}
	_ = closing.Wait()
}

// times are those of one change, from just before its COMMIT was sent.
type times struct{ commit, first, last time.Duration }

// change commits one change and waits until every watcher knows of it.
func (w *watchers) change(ctx context.Context, c *pgx.Conn) (out times, err error) {
	ctx, cancel := context.WithTimeout(ctx, arriveWithin)
	defer cancel()
	tx, err := c.Begin(ctx)
	if err != nil {
		return out, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing where it was committed
	var id int64
	if err := tx.QueryRow(ctx, makeChange).Scan(&id); err != nil {
		return out, err
	}
	if _, err := tx.Exec(ctx, tellOfChange, channel, strconv.FormatInt(id, 10)); err != nil {
		return out, err
	}
	began := time.Now()
	if err := tx.Commit(ctx); err != nil {
		return out, err
	}
	out.commit = time.Since(began)
	for told := 0; told < len(w.conns); {
		select {
		case a := <-w.arrivals:
			if a.change != id {
				return out, fmt.Errorf("a watcher was told of change %d, want %d", a.change, id)
			}
			if since := a.at.Sub(began); told == 0 || since < out.first {
				out.first = since
			}
			out.last = max(out.last, a.at.Sub(began))
			told++
		case <-w.going.Done():
			return out, context.Cause(w.going)
		case <-ctx.Done():
			return out, fmt.Errorf("%d of %d watchers know of the change: %w", told, len(w.conns), context.Cause(ctx))
		}
	}
	return out, nil
}

// fanout commits changes one after the other and sums up how they reached the watchers.
func fanout(ctx context.Context, dsn string, w *watchers, changes int, measured func() error) (out result.Fanout, err error) {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return out, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		err = errors.Join(err, c.Close(closing))
	}()
	var commit, first, last []time.Duration
	for i := range warmupChanges + changes {
		if i == warmupChanges {
			if err := measured(); err != nil {
				return out, err
			}
		}
		one, err := w.change(ctx, c)
		if err != nil {
			return out, fmt.Errorf("change %d: %w", i+1, err)
		}
		if i >= warmupChanges {
			commit = append(commit, one.commit)
			first, last = append(first, one.first), append(last, one.last)
		}
		select {
		case <-ctx.Done():
			return out, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
	out.Changes, out.CommitMS = changes, spread(commit)
	out.FirstMS, out.LastMS = spread(first), spread(last)
	return out, nil
}

func spread(all []time.Duration) result.MedianMax {
	slices.Sort(all)
	return result.MedianMax{Median: inMS(all[len(all)/2]), Max: inMS(all[len(all)-1])}
}
