package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gatelab/gateway/internal/entity"
)

// snapshotTimeout is how long reading a large configuration may take; QueryTimeout
// where that is longer.
const snapshotTimeout = 30 * time.Second

// Snapshot reads all entities and their revision as they were at one moment.
// What has not changed since the last call is not asked for again, and is shared
// with what that call returned: the configuration must not be changed.
func (p *Postgres) Snapshot(ctx context.Context) (*entity.Config, error) {
	select {
	case p.reading <- struct{}{}:
		defer func() { <-p.reading }()
	case <-ctx.Done():
		return nil, fmt.Errorf("read the configuration: %w", context.Cause(ctx))
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	k := p.kept
	p.kept = nil // whatever goes wrong below, the next call reads all
	err := p.within(ctx, max(p.config.QueryTimeout, snapshotTimeout), func(ctx context.Context, conn *pgxpool.Conn) error {
		return transact(ctx, conn, options, func(ctx context.Context, tx pgx.Tx) error {
			known := k
			k = nil // half of a reading that fails must not be carried on
			ok, err := known.advance(ctx, tx)
			if ok {
				k = known
			}
			if ok || err != nil {
				return err
			}
			k, err = readAll(ctx, tx)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	p.kept = k
	c := k.config
	return &c, nil
}

// readAll reads every table.
func readAll(ctx context.Context, tx pgx.Tx) (*kept, error) {
	k := &kept{whole: time.Now(), at: map[string]map[string]int{}}
	c := &k.config
	// One batch: the whole snapshot costs one round trip however many tables
	// there are.
	var b pgx.Batch
	b.Queue("SELECT c.id, coalesce(r.at, '0001-01-01T00:00:00Z') FROM current_revision c LEFT JOIN revisions r ON r.id = c.id").QueryRow(func(r pgx.Row) error {
		return r.Scan(&c.Revision, &k.mark)
	})
	whole(&b, k, "services", &c.Services)
	whole(&b, k, "routes", &c.Routes)
	whole(&b, k, "consumers", &c.Consumers)
	whole(&b, k, "keyauth_credentials", &c.KeyAuths)
	whole(&b, k, "plugins", &c.Plugins)
	whole(&b, k, "upstreams", &c.Upstreams)
	whole(&b, k, "targets", &c.Targets)
	whole(&b, k, "certificates", &c.Certificates)
	whole(&b, k, "ca_certificates", &c.CACertificates)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	return k, nil
}

// credentials that have not ended, with their end: the data plane stops taking
// them then, without being told again.
const credentials = `SELECT id::text, CASE WHEN expires_at IS NULL THEN body
	ELSE body || jsonb_build_object('expires_at', floor(extract(epoch FROM expires_at) * 1000)::bigint) END
	FROM keyauth_credentials WHERE ` + alive

func selectAll(table string) string {
	if table == "keyauth_credentials" {
		return credentials + " ORDER BY seq"
	}
	return "SELECT id::text, body FROM " + table + " ORDER BY seq"
}

// selectByID takes an array of ids, and gives their rows in the order in which
// they were made.
func selectByID(table string) string {
	if table == "keyauth_credentials" {
		return credentials + " AND id = ANY($1::uuid[]) ORDER BY seq"
	}
	return "SELECT id::text, body FROM " + table + " WHERE id = ANY($1::uuid[]) ORDER BY seq"
}

// whole adds every row of a table to into, and notes its place.
func whole[T any](b *pgx.Batch, k *kept, table string, into *[]T) {
	at := map[string]int{}
	k.at[table] = at
	b.Queue(selectAll(table)).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			id, e, err := scan[T](rows, table)
			if err != nil {
				return err
			}
			at[id] = len(*into)
			*into = append(*into, e)
		}
		return rows.Err()
	})
}
