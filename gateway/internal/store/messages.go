package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// messageLog remembers which texts a watcher that polls has received. Several are
// written at the same time, so one with a lower id may appear later.
type messageLog struct {
	known map[int64]bool // ids; nil: not polled yet
}

// pause polls for texts, then waits for PollInterval.
func (p *Postgres) pause(ctx context.Context, conn *pgx.Conn, received func(string), w *messageLog) error {
	if err := p.read(ctx, conn, received, w); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(p.config.PollInterval):
		return nil
	}
}

// read passes on new texts. Those from before the first call are ignored.
func (p *Postgres) read(ctx context.Context, conn *pgx.Conn, received func(string), w *messageLog) error {
	qctx, stop := context.WithTimeout(ctx, p.config.QueryTimeout)
	defer stop()
	window := time.Minute + 10*p.config.PollInterval
	rows, err := conn.Query(qctx, "SELECT id, text FROM words WHERE at > now() - $1::bigint * interval '1 second' ORDER BY id",
		int64(window/time.Second))
	if err != nil {
		return err
	}
	type message struct {
		ID   int64
		Text string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[message])
	if err != nil {
		return err
	}
	known := make(map[int64]bool, len(list))
	for _, m := range list {
		if w.known != nil && !w.known[m.ID] {
			received(m.Text)
		}
		known[m.ID] = true
	}
	w.known = known
	return nil
}
