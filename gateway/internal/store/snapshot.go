package store

import (
	"context"
	"errors"
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
	k := p.cached
	p.cached = nil // after an error the next call reads all
	err := p.within(ctx, max(p.config.QueryTimeout, snapshotTimeout), func(ctx context.Context, c *pgxpool.Conn) error {
		known := k
		k = nil // a partial read must not be reused
		ok, err := known.advance(ctx, c, p.config.Schemas)
		switch {
		case ok:
			k = known
		case err == nil:
			k, err = readAll(ctx, c, p.config.Schemas)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	p.cached = k
	c := k.config
	return &c, nil
}

// consistentRead is how a configuration is read: all of it is of one revision.
var consistentRead = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// readAll reads every table.
func readAll(ctx context.Context, conn *pgxpool.Conn, schemas *entity.Catalog) (*cachedConfig, error) {
	k := newCachedConfig()
	// One batch: a single round trip for all tables.
	err := transactFrom(ctx, conn, consistentRead, k.queueAll, func(ctx context.Context, tx pgx.Tx) error {
		return k.readTrial(ctx, tx, schemas)
	})
	return k, unreadable(k.config.Revision, err)
}

func newCachedConfig() *cachedConfig {
	return &cachedConfig{readAt: time.Now(), at: map[string]map[string]int{}}
}

func (k *cachedConfig) queueAll(b *pgx.Batch) {
	c := &k.config
	const revision = "SELECT c.id, coalesce(r.at, '0001-01-01T00:00:00Z') FROM current_revision c LEFT JOIN revisions r ON r.id = c.id"
	b.Queue(revision).QueryRow(func(r pgx.Row) error {
		return r.Scan(&c.Revision, &k.mark)
	})
	readTable(b, k, "services", &c.Services)
	readTable(b, k, "routes", &c.Routes)
	readTable(b, k, "consumers", &c.Consumers)
	readTable(b, k, "keyauth_credentials", &c.KeyAuths)
	readTable(b, k, "jwt_secrets", &c.JWTSecrets)
	readTable(b, k, "basicauth_credentials", &c.BasicAuths)
	readTable(b, k, "hmacauth_credentials", &c.HMACAuths)
	readTable(b, k, "oauth2_credentials", &c.OAuth2Credentials)
	readTable(b, k, "acls", &c.ACLs)
	readTable(b, k, "plugins", &c.Plugins)
	readTable(b, k, "upstreams", &c.Upstreams)
	readTable(b, k, "targets", &c.Targets)
	readTable(b, k, "certificates", &c.Certificates)
	readTable(b, k, "ca_certificates", &c.CACertificates)
	readTable(b, k, "snis", &c.SNIs)
}

// UnreadableError is an ErrUnreadable, and the revision of which it is one.
type UnreadableError struct {
	Revision int64
	err      error
}

func (e *UnreadableError) Error() string { return e.err.Error() }

// Unwrap returns the error of the entity.
func (e *UnreadableError) Unwrap() error { return e.err }

// unreadable adds the revision to an ErrUnreadable.
func unreadable(revision int64, err error) error {
	if errors.Is(err, ErrUnreadable) {
		return &UnreadableError{revision, err}
	}
	return err
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
