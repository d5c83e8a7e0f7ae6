package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The channels of NOTIFY: changes of the configuration, and what one replica
// has to say to all that is not configuration.
const (
	channel     = "gatelab_config"
	wordChannel = "gatelab_word"
)

// Tell sends a text of less than 8000 bytes to every replica that watches, this
// one included.
func (p *Postgres) Tell(ctx context.Context, text string) error {
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, `WITH over AS (DELETE FROM words WHERE at < now() - interval '1 hour'),
			said AS (INSERT INTO words (text) VALUES ($2)) SELECT pg_notify($1, $2::text)`, wordChannel, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Watch calls changed with the newest revision, first with the one that is
// there, then whenever it is another, and told with each text that a replica
// sends. Notifications come at once; every PollInterval the revision is asked
// for behind them, so that none is missed for long. Texts sent while the
// connection was down are missed. Where a connection pooler passes no
// notifications on, both are asked for every PollInterval. It has a connection of its own beside the
// pool, and makes a new one, ever more patiently, when that breaks: it logs
// when the connection is lost and when it is back, not each attempt. It returns
// when ctx ends.
func (p *Postgres) Watch(ctx context.Context, changed func(revision int64), told func(text string)) error {
	last := int64(-1)
	w := &words{}
	var lost time.Time
	wait := 50 * time.Millisecond
	for ctx.Err() == nil {
		err := p.listen(ctx, func(revision int64) {
			wait = 50 * time.Millisecond
			if !lost.IsZero() {
				p.config.Log.Info("watching the configuration again", "away", time.Since(lost).Round(time.Millisecond).String())
				lost = time.Time{}
			}
			if revision != last {
				last = revision
				changed(revision)
			}
		}, told, w)
		if lost.IsZero() && ctx.Err() == nil {
			lost = time.Now()
			p.config.Log.Warn("lost the connection that watches the configuration; the last one goes on", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, p.config.PollInterval)
	}
	return nil
}

// listen tells revisions and texts until the connection breaks.
func (p *Postgres) listen(ctx context.Context, tell func(int64), told func(string), w *words) error {
	dctx, cancel := context.WithTimeout(ctx, p.config.QueryTimeout)
	defer cancel()
	config, err := pgx.ParseConfig(p.config.DSN)
	if err != nil {
		return err
	}
	if err := p.modes.set(dctx, config); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(dctx, config)
	if err != nil {
		return err
	}
	defer shut(ctx, conn)
	for _, name := range []string{channel, wordChannel} {
		if _, err := conn.Exec(dctx, "LISTEN "+name); err != nil {
			return err
		}
	}
	wait := p.notification
	pooled, err := p.modes.find(dctx, conn)
	if err != nil {
		return err
	}
	if pooled {
		hears, err := p.hears(dctx, conn)
		if err != nil {
			return err
		}
		if !hears {
			wait = func(ctx context.Context, conn *pgx.Conn, told func(string)) error {
				return p.pause(ctx, conn, told, w)
			}
			p.deaf.Do(func() {
				p.config.Log.Info("the connection pooler on the way to Postgres passes no notifications on: changes are found by asking",
					"every", p.config.PollInterval.String())
			})
		}
	}
	for {
		qctx, stop := context.WithTimeout(ctx, p.config.QueryTimeout)
		var revision int64
		err := conn.QueryRow(qctx, revisionQuery).Scan(&revision)
		stop()
		if err != nil {
			return err
		}
		tell(revision)
		if err := wait(ctx, conn, told); err != nil {
			return err
		}
	}
}

// notification waits for a change, a text, or the end of PollInterval.
func (p *Postgres) notification(ctx context.Context, conn *pgx.Conn, told func(string)) error {
	nctx, stop := context.WithTimeout(ctx, p.config.PollInterval)
	defer stop()
	n, err := conn.WaitForNotification(nctx)
	switch {
	case err == nil && n.Channel == wordChannel:
		told(n.Payload)
	case err != nil && (nctx.Err() == nil || ctx.Err() != nil):
		return err
	}
	return nil
}

// hearingTime is how long a notification may take that a replica sends itself.
const hearingTime = 2 * time.Second

// hears finds out whether notifications come through the pooler: where each
// transaction may be another server's, LISTEN is accepted and nothing is heard.
// The connection listens to a channel of its own, and another one speaks there.
func (p *Postgres) hears(ctx context.Context, conn *pgx.Conn) (bool, error) {
	name := "gatelab_ear_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := conn.Exec(ctx, "LISTEN "+name); err != nil {
		return false, err
	}
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, "SELECT pg_notify($1, '')", name)
		return err
	})
	if err != nil {
		return false, err
	}
	wctx, stop := context.WithTimeout(ctx, hearingTime)
	defer stop()
	for {
		n, err := conn.WaitForNotification(wctx)
		switch {
		case err == nil && n.Channel == name:
			_, err = conn.Exec(ctx, "UNLISTEN "+name)
			return true, err
		case err == nil: // what is told now is asked for next
		case wctx.Err() != nil && ctx.Err() == nil:
			_, err = conn.Exec(ctx, "UNLISTEN *")
			return false, err
		default:
			return false, err
		}
	}
}
