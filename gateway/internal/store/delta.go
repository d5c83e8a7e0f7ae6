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

// kept is the configuration as it was read last, so that the next reading asks
// for what has changed since and not for all of it: with tens of thousands of
// consumers, each change of one would cost every replica the reading of all.
type kept struct {
	config entity.Config
	mark   time.Time                 // of its newest revision: in another database that one was made at another time
	whole  time.Time                 // when all of it was read
	at     map[string]map[string]int // table -> id -> place in the list
}

const (
	// mostChanges is up to how many revisions are caught up with one by one.
	mostChanges = 1000
	// wholeEvery is how long a configuration may be carried on before all of it is
	// read again: what was changed in the database by hand has no revision.
	wholeEvery = 10 * time.Minute
)

// advance brings the configuration up to the newest revision. It is false where
// all must be read: something was deleted (with what hangs on it), or what is
// there does not follow from what was known.
func (k *kept) advance(ctx context.Context, tx pgx.Tx) (bool, error) {
	if k == nil || k.mark.IsZero() || time.Since(k.whole) > wholeEvery {
		return false, nil
	}
	var newest int64
	var mark time.Time
	changed := map[string][]string{} // table -> ids
	seen, plain, begins := int64(0), true, false
	var b pgx.Batch
	b.Queue(revisionQuery).QueryRow(func(r pgx.Row) error { return r.Scan(&newest) })
	b.Queue("SELECT id, at, entity, entity_id::text, operation FROM revisions WHERE id >= $1 ORDER BY id LIMIT $2", k.config.Revision, mostChanges+2).Query(func(rows pgx.Rows) error {
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
	// No change at all is no news: then somebody asks to be sure. Where the revision
	// that is known is not there any more, or one after it, they were pruned.
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

// fetch reads the changed rows of every table. It is false where one is of a
// table that is not read row by row, or is not there any more.
func (k *kept) fetch(ctx context.Context, tx pgx.Tx, changed map[string][]string) (bool, error) {
	ok := true
	var b pgx.Batch
	for table, ids := range changed {
		c, at := &k.config, k.at[table]
		switch table {
		case "services":
			again(&b, &c.Services, at, table, ids, &ok)
		case "routes":
			again(&b, &c.Routes, at, table, ids, &ok)
		case "consumers":
			again(&b, &c.Consumers, at, table, ids, &ok)
		case "keyauth_credentials":
			again(&b, &c.KeyAuths, at, table, ids, &ok)
		case "plugins":
			again(&b, &c.Plugins, at, table, ids, &ok)
		case "upstreams":
			again(&b, &c.Upstreams, at, table, ids, &ok)
		case "targets":
			again(&b, &c.Targets, at, table, ids, &ok)
		default: // certificates and what belongs to them: few, and in several tables
			return false, nil
		}
	}
	err := tx.SendBatch(ctx, &b).Close()
	return ok, err
}

// again reads rows of a table by id and puts them into a copy of list: the old
// one is in use.
func again[T any](b *pgx.Batch, list *[]T, at map[string]int, table string, ids []string, ok *bool) {
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

// scan reads one row. One that cannot be read fails the whole: a configuration
// without one of its plugins might let everybody in.
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
