package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// snapshotTimeout bounds reading a large configuration, unless QueryTimeout is
// longer.
const snapshotTimeout = 30 * time.Second

// Snapshot reads all entities and their revision, consistently. What has not
// changed since the last call is not read again but shared with its result, so
// the configuration must not be modified.
func (p *Postgres) Snapshot(ctx context.Context) (*entity.Config, error) {
	select {
	case p.reading <- struct{}{}:
		defer func() { <-p.reading }()
	case <-ctx.Done():
		return nil, fmt.Errorf("read the configuration: %w", context.Cause(ctx))
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	k := p.cached
	p.cached = nil // after an error the next call reads all
	err := p.within(ctx, max(p.config.QueryTimeout, snapshotTimeout), func(ctx context.Context, conn *pgxpool.Conn) error {
		return transact(ctx, conn, options, func(ctx context.Context, tx pgx.Tx) error {
			known := k
			k = nil // a partial read must not be reused
			ok, err := known.advance(ctx, tx, p.config.Schemas)
			if ok {
				k = known
			}
			if ok || err != nil {
				return err
			}
			if k, err = readAll(ctx, tx); err != nil {
				return err
			}
			return k.readTrial(ctx, tx, p.config.Schemas)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	p.cached = k
	c := k.config
	return &c, nil
}

// readAll reads every table.
func readAll(ctx context.Context, tx pgx.Tx) (*cachedConfig, error) {
	k := &cachedConfig{readAt: time.Now(), at: map[string]map[string]int{}}
	c := &k.config
	// One batch: a single round trip for all tables.
	var b pgx.Batch
	const revision = "SELECT c.id, coalesce(r.at, '0001-01-01T00:00:00Z') FROM current_revision c LEFT JOIN revisions r ON r.id = c.id"
	b.Queue(revision).QueryRow(func(r pgx.Row) error {
		return r.Scan(&c.Revision, &k.mark)
	})
	readTable(&b, k, "services", &c.Services)
	readTable(&b, k, "routes", &c.Routes)
	readTable(&b, k, "consumers", &c.Consumers)
	readTable(&b, k, "keyauth_credentials", &c.KeyAuths)
	readTable(&b, k, "jwt_secrets", &c.JWTSecrets)
	readTable(&b, k, "basicauth_credentials", &c.BasicAuths)
	readTable(&b, k, "hmacauth_credentials", &c.HMACAuths)
	readTable(&b, k, "oauth2_credentials", &c.OAuth2Credentials)
	readTable(&b, k, "acls", &c.ACLs)
	readTable(&b, k, "plugins", &c.Plugins)
	readTable(&b, k, "upstreams", &c.Upstreams)
	readTable(&b, k, "targets", &c.Targets)
	readTable(&b, k, "certificates", &c.Certificates)
	readTable(&b, k, "ca_certificates", &c.CACertificates)
	readTable(&b, k, "snis", &c.SNIs)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	return k, nil
}

// credentials selects those that have not expired, with their expiry: the data
// plane stops accepting them then without another read.
const credentials = `SELECT id::text, CASE WHEN expires_at IS NULL THEN body
	ELSE body || jsonb_build_object('expires_at', floor(extract(epoch FROM expires_at) * 1000)::bigint) END
	FROM keyauth_credentials WHERE ` + notExpired

func selectAll(table string) string {
	if table == "keyauth_credentials" {
		return credentials + " ORDER BY seq"
	}
	return "SELECT id::text, body FROM " + table + " ORDER BY seq"
}

// selectByID returns the SQL for the rows of an array of ids, in the order of
// their creation.
func selectByID(table string) string {
	if table == "keyauth_credentials" {
		return credentials + " AND id = ANY($1::uuid[]) ORDER BY seq"
	}
	return "SELECT id::text, body FROM " + table + " WHERE id = ANY($1::uuid[]) ORDER BY seq"
}

// readTable appends every row of a table to into, and records its index.
func readTable[T any](b *pgx.Batch, k *cachedConfig, table string, into *[]T) {
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
