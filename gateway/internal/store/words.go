package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// words is which texts a watcher knows that hears no notifications. Several are
// written at a time, so that one with a lower number may appear later.
type words struct {
	known map[int64]bool // nil: none were asked for yet
}

// pause waits for the end of PollInterval, and asks for texts.
func (p *Postgres) pause(ctx context.Context, conn *pgx.Conn, told func(string), w *words) error {
	if err := p.read(ctx, conn, told, w); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(p.config.PollInterval):
		return nil
	}
}

// read tells the texts of the last while that were not known. Those of before the
// first call were for others.
func (p *Postgres) read(ctx context.Context, conn *pgx.Conn, told func(string), w *words) error {
	qctx, stop := context.WithTimeout(ctx, p.config.QueryTimeout)
	defer stop()
	window := time.Minute + 10*p.config.PollInterval
	rows, err := conn.Query(qctx, "SELECT id, text FROM words WHERE at > now() - $1::bigint * interval '1 second' ORDER BY id",
		int64(window/time.Second))
	if err != nil {
		return err
	}
	type word struct {
		ID   int64
		Text string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[word])
	if err != nil {
		return err
	}
	known := make(map[int64]bool, len(list))
	for _, said := range list {
		if w.known != nil && !w.known[said.ID] {
			told(said.Text)
		}
		known[said.ID] = true
	}
	w.known = known
	return nil
}
