package store

import (
	"context"
	"encoding/json"
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
func (p *Postgres) Snapshot(ctx context.Context) (*entity.Config, error) {
	var c entity.Config
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := p.within(ctx, max(p.config.QueryTimeout, snapshotTimeout), func(ctx context.Context, conn *pgxpool.Conn) error {
		return transact(ctx, conn, options, func(ctx context.Context, tx pgx.Tx) error {
			// One batch: the whole snapshot costs one round trip however many
			// tables there are.
			var b pgx.Batch
			b.Queue(revisionQuery).QueryRow(func(r pgx.Row) error { return r.Scan(&c.Revision) })
			queue(&b, "services", &c.Services)
			queue(&b, "routes", &c.Routes)
			queue(&b, "consumers", &c.Consumers)
			query(&b, "keyauth_credentials", credentialQuery, &c.KeyAuths)
			queue(&b, "plugins", &c.Plugins)
			queue(&b, "upstreams", &c.Upstreams)
			queue(&b, "targets", &c.Targets)
			queue(&b, "certificates", &c.Certificates)
			queue(&b, "ca_certificates", &c.CACertificates)
			return tx.SendBatch(ctx, &b).Close()
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return &c, nil
}

// credentialQuery asks for credentials that have not ended, with their end: the
// data plane stops taking them then, without being told again.
const credentialQuery = `SELECT id::text, CASE WHEN expires_at IS NULL THEN body
	ELSE body || jsonb_build_object('expires_at', floor(extract(epoch FROM expires_at) * 1000)::bigint) END
	FROM keyauth_credentials WHERE ` + alive + ` ORDER BY seq`

func queue[T any](b *pgx.Batch, table string, into *[]T) {
	query(b, table, "SELECT id::text, body FROM "+table+" ORDER BY seq", into)
}

// query adds every row to into. A row that cannot be read fails the whole: a
// configuration without one of its plugins might let everybody in.
func query[T any](b *pgx.Batch, table, sql string, into *[]T) {
	b.Queue(sql).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id string
			var raw []byte
			if err := rows.Scan(&id, &raw); err != nil {
				return err
			}
			var e T
			if err := json.Unmarshal(raw, &e); err != nil {
				return fmt.Errorf("%w: %s %s: %w", ErrUnreadable, table, id, err)
			}
			*into = append(*into, e)
		}
		return rows.Err()
	})
}
