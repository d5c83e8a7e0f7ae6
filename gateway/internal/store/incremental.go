package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gatelab/gateway/internal/entity"
)

// cachedConfig is the configuration as it was last read, so that the next read
// fetches only what has changed since: with tens of thousands of consumers, each
// change of one would make every replica read them all.
type cachedConfig struct {
	config entity.Config
	mark   time.Time                 // of the newest revision, which is another one in another database
	readAt time.Time                 // when all of it was last read
	at     map[string]map[string]int // table -> id -> index in the list
}

const (
	// maxIncremental is the number of revisions above which all of it is read.
	maxIncremental = 1000
	// fullReadEvery is how often all of it is read: changes that are made directly in
	// the database have no revision.
	fullReadEvery = 10 * time.Minute
)

// advance brings the configuration up to the newest revision. It returns false
// where all must be read: something was deleted (and what refers to it), or the
// revisions do not continue those that are known.
func (k *cachedConfig) advance(ctx context.Context, tx pgx.Tx) (bool, error) {
	if k == nil || k.mark.IsZero() || time.Since(k.readAt) > fullReadEvery {
		return false, nil
	}
	var newest int64
	var mark time.Time
	changed := map[string][]string{} // table -> ids
	seen := int64(0)                 // revisions after the known one
	plain, begins := true, false     // without deletions; the known one is there
	var b pgx.Batch
	b.Queue(revisionQuery).QueryRow(func(r pgx.Row) error { return r.Scan(&newest) })
	const sql = "SELECT id, at, entity, entity_id::text, operation FROM revisions WHERE id >= $1 ORDER BY id LIMIT $2"
	b.Queue(sql, k.config.Revision, maxIncremental+2).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id int64
			var at time.Time
			var table, entityID, operation string
			if err := rows.Scan(&id, &at, &table, &entityID, &operation); err != nil {
				return err
			}
			if id == k.config.Revision {
				begins = at.Equal(k.mark)
				mark = at
				continue
			}
			seen++
			mark = at
			plain = plain && operation != "delete"
			if !slices.Contains(changed[table], entityID) {
				changed[table] = append(changed[table], entityID)
			}
		}
		return rows.Err()
	})
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return false, err
	}
	// Without a change, all is read: the caller wants to be sure. A known revision
	// that is missing, or a later one, was pruned.
	if !plain || !begins || mark.IsZero() || seen == 0 || seen != newest-k.config.Revision {
		return false, nil
	}
	ok, err := k.fetch(ctx, tx, changed)
	if !ok || err != nil {
		return false, err
	}
	k.config.Revision, k.mark = newest, mark
	return true, nil
}

// fetch reads the changed rows of every table. It returns false where a row is
// missing, or is of a table that is not read by row.
func (k *cachedConfig) fetch(ctx context.Context, tx pgx.Tx, changed map[string][]string) (bool, error) {
	ok := true
	var b pgx.Batch
	for table, ids := range changed {
		c, at := &k.config, k.at[table]
		switch table {
		case "services":
			reread(&b, &c.Services, at, table, ids, &ok)
		case "routes":
			reread(&b, &c.Routes, at, table, ids, &ok)
		case "consumers":
			reread(&b, &c.Consumers, at, table, ids, &ok)
		case "keyauth_credentials":
			reread(&b, &c.KeyAuths, at, table, ids, &ok)
		case "jwt_secrets":
			reread(&b, &c.JWTSecrets, at, table, ids, &ok)
		case "basicauth_credentials":
			reread(&b, &c.BasicAuths, at, table, ids, &ok)
		case "hmacauth_credentials":
			reread(&b, &c.HMACAuths, at, table, ids, &ok)
		case "oauth2_credentials":
			reread(&b, &c.OAuth2Credentials, at, table, ids, &ok)
		case "acls":
			reread(&b, &c.ACLs, at, table, ids, &ok)
		case "plugins":
			reread(&b, &c.Plugins, at, table, ids, &ok)
		case "upstreams":
			reread(&b, &c.Upstreams, at, table, ids, &ok)
		case "targets":
			reread(&b, &c.Targets, at, table, ids, &ok)
		case "key_sets", "keys": // not read by the data plane
		default: // certificates and what belongs to them: few, and in several tables
			return false, nil
		}
	}
	err := tx.SendBatch(ctx, &b).Close()
	return ok, err
}

// reread reads rows of a table by id into a copy of list: the old one is in use.
func reread[T any](b *pgx.Batch, list *[]T, at map[string]int, table string, ids []string, ok *bool) {
	b.Queue(selectByID(table), ids).Query(func(rows pgx.Rows) error {
		out := slices.Clone(*list)
		found := 0
		for rows.Next() {
			id, e, err := scan[T](rows, table)
			if err != nil {
				return err
			}
			found++
			if i, known := at[id]; known {
				out[i] = e
				continue
			}
			at[id] = len(out)
			out = append(out, e)
		}
		*ok = *ok && found == len(ids)
		*list = out
		return rows.Err()
	})
}

// scan reads one row. A row that cannot be decoded fails the read: a configuration
// without one of its plugins might admit every client.
func scan[T any](rows pgx.Rows, table string) (id string, e T, err error) {
	var raw []byte
	if err := rows.Scan(&id, &raw); err != nil {
		return "", e, err
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return "", e, fmt.Errorf("%w: %s %s: %w", ErrUnreadable, table, id, err)
	}
	return id, e, nil
}
