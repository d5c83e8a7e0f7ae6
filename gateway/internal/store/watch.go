package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The channels of NOTIFY: revisions of the configuration, and messages from one
// replica to all.
const (
	channel        = "gatelab_config"
	messageChannel = "gatelab_word"
)

// Publish sends a text of less than 8000 bytes to every replica that watches,
// this one included.
func (p *Postgres) Publish(ctx context.Context, text string) error {
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, `WITH over AS (DELETE FROM words WHERE at < now() - interval '1 hour'),
			said AS (INSERT INTO words (text) VALUES ($2)) SELECT pg_notify($1, $2::text)`, messageChannel, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Watch calls changed with the newest revision, first with the current one, then
// whenever there is another, and received with each text that a replica
// publishes, until ctx ends. Notifications arrive at once; the revision is polled
// every PollInterval, too, so that none is missed for long. Texts that are
// published while the connection is down are lost. Where a connection pooler does
// not pass notifications on, both are polled.
//
// Watch has a connection of its own beside the pool, and reconnects with growing
// pauses when it breaks. It logs that the connection was lost and that it is back,
// not each attempt.
func (p *Postgres) Watch(ctx context.Context, changed func(revision int64), received func(text string)) error {
	last := int64(-1)
	w := &messageLog{}
	var lost time.Time
	wait := 50 * time.Millisecond
	for ctx.Err() == nil {
		err := p.listen(ctx, func(revision int64) {
			wait = 50 * time.Millisecond
			if !lost.IsZero() {
				p.config.Log.Info("watching the configuration again", "after", time.Since(lost).Round(time.Millisecond).String())
				lost = time.Time{}
			}
			if revision != last {
				last = revision
				changed(revision)
			}
		}, received, w)
		p.reachable.Store(false)
		if lost.IsZero() && ctx.Err() == nil {
			lost = time.Now()
			p.config.Log.Warn("lost the connection that watches the configuration; keeping the current revision", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, p.config.PollInterval)
	}
	return nil
}

// listen reports revisions and texts until the connection breaks.
func (p *Postgres) listen(ctx context.Context, changed func(int64), received func(string), w *messageLog) error {
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
	defer closeConn(ctx, conn)
	for _, name := range []string{channel, messageChannel} {
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
		receives, err := p.receivesNotifications(dctx, conn)
		if err != nil {
			return err
		}
		if !receives {
			wait = func(ctx context.Context, conn *pgx.Conn, received func(string)) (int64, error) {
				return 0, p.pause(ctx, conn, received, w)
			}
			p.pollOnly.Do(func() {
				p.config.Log.Info("the connection pooler passes no notifications on: polling for changes",
					"interval", p.config.PollInterval.String())
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
		p.reachable.Store(true)
		for told := true; told; {
			changed(revision)
			next, err := wait(ctx, conn, received)
			if err != nil {
				return err
			}
			if told = next > 0; told {
				revision = next
			}
		}
	}
}

// notification waits for a change, whose revision it returns, a text, or the end of
// PollInterval. With a revision there is nothing to ask: it has been committed.
func (p *Postgres) notification(ctx context.Context, conn *pgx.Conn, received func(string)) (revision int64, err error) {
	nctx, stop := context.WithTimeout(ctx, p.config.PollInterval)
	defer stop()
	n, err := conn.WaitForNotification(nctx)
	switch {
	case err == nil && n.Channel == messageChannel:
		received(n.Payload)
	case err == nil:
		if revision, err = strconv.ParseInt(n.Payload, 10, 64); err == nil {
			return revision, nil
		}
	case nctx.Err() == nil || ctx.Err() != nil:
		return 0, err
	}
	return 0, nil
}

// notificationTimeout bounds the wait for a notification that a replica sends to
// itself.
const notificationTimeout = 2 * time.Second

// receivesNotifications finds out whether notifications pass the pooler: where
// each transaction may use another server connection, LISTEN is accepted and
// nothing arrives. The connection listens to a channel of its own, and a
// connection of the pool notifies it.
func (p *Postgres) receivesNotifications(ctx context.Context, conn *pgx.Conn) (bool, error) {
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
	wctx, stop := context.WithTimeout(ctx, notificationTimeout)
	defer stop()
	for {
		n, err := conn.WaitForNotification(wctx)
		switch {
		case err == nil && n.Channel == name:
			_, err = conn.Exec(ctx, "UNLISTEN "+name)
			return true, err
		case err == nil: // another channel's, which is polled next
		case wctx.Err() != nil && ctx.Err() == nil:
			_, err = conn.Exec(ctx, "UNLISTEN *")
			return false, err
		default:
			return false, err
		}
	}
}
