package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatelab/gatelab/gateway/internal/entity"
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

// touched are the entities of a table that revisions since the known one name.
type touched struct {
	ids     []string        // without repetitions
	deleted map[string]bool // those with a deletion among their revisions; they may exist again
}

// newsSince are the revisions after a known one.
type newsSince struct {
	newest  int64
	mark    time.Time           // of the newest
	changed map[string]*touched // by table
	seen    int64               // revisions after the known one
	begins  bool                // the known one is there
}

// queue asks for them.
func (n *newsSince) queue(b *pgx.Batch, k *cachedConfig) {
	*n = newsSince{changed: map[string]*touched{}}
	b.Queue(revisionQuery).QueryRow(func(r pgx.Row) error { return r.Scan(&n.newest) })
	const sql = "SELECT id, at, entity, entity_id::text, operation FROM revisions WHERE id >= $1 ORDER BY id LIMIT $2"
	b.Queue(sql, k.config.Revision, maxIncremental+2).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id int64
			var table, entityID, operation string
			if err := rows.Scan(&id, &n.mark, &table, &entityID, &operation); err != nil {
				return err
			}
			if id == k.config.Revision {
				n.begins = n.mark.Equal(k.mark)
				continue
			}
			n.seen++
			note(n.changed, table, entityID, operation)
		}
		return rows.Err()
	})
}

// advance brings the configuration up to the newest revision, with two round trips. It
// returns false where all must be read: the revisions do not continue those that are
// known, or a deletion took along what is not kept by row.
func (k *cachedConfig) advance(ctx context.Context, c *pgxpool.Conn, schemas *entity.Catalog) (ok bool, err error) {
	if k == nil || k.mark.IsZero() || time.Since(k.readAt) > fullReadEvery {
		return false, nil
	}
	var n newsSince
	first := func(b *pgx.Batch) { n.queue(b, k) }
	err = transactFrom(ctx, c, consistentRead, first, func(ctx context.Context, tx pgx.Tx) (err error) {
		// Without a change, all is read: the caller wants to be sure. A known revision
		// that is missing, or a later one, was pruned.
		if !n.begins || n.seen == 0 || n.seen != n.newest-k.config.Revision || !followed(n.changed, schemas) {
			return nil
		}
		tried := n.changed[trialEntity] != nil
		if ok, err = k.fetch(ctx, tx, n.changed, !tried); !ok || err != nil {
			return unreadable(n.newest, err)
		}
		k.config.Revision, k.mark = n.newest, n.mark
		if tried {
			return k.readTrial(ctx, tx, schemas)
		}
		return nil
	})
	return ok && err == nil, err
}

// note adds one revision to what was touched.
func note(changed map[string]*touched, table, id, operation string) {
	t := changed[table]
	if t == nil {
		t = &touched{deleted: map[string]bool{}}
		changed[table] = t
	}
	if !slices.Contains(t.ids, id) {
		t.ids = append(t.ids, id)
	}
	if operation == "delete" {
		t.deleted[id] = true
	}
}

// fetch reads the touched rows of every table. It returns false where a row is
// missing without a deletion, or is of a table that is not read by row. As the last read
// of its transaction it ends that as well.
func (k *cachedConfig) fetch(ctx context.Context, tx pgx.Tx, changed map[string]*touched, last bool) (bool, error) {
	ok := true
	var b pgx.Batch
	for table, t := range changed {
		c, at := &k.config, k.at[table]
		switch table {
		case "services":
			reread(&b, &c.Services, at, table, t, &ok)
		case "routes":
			reread(&b, &c.Routes, at, table, t, &ok)
		case "consumers":
			reread(&b, &c.Consumers, at, table, t, &ok)
		case "keyauth_credentials":
			reread(&b, &c.KeyAuths, at, table, t, &ok)
		case "jwt_secrets":
			reread(&b, &c.JWTSecrets, at, table, t, &ok)
		case "basicauth_credentials":
			reread(&b, &c.BasicAuths, at, table, t, &ok)
		case "hmacauth_credentials":
			reread(&b, &c.HMACAuths, at, table, t, &ok)
		case "oauth2_credentials":
			reread(&b, &c.OAuth2Credentials, at, table, t, &ok)
		case "acls":
			reread(&b, &c.ACLs, at, table, t, &ok)
		case "plugins":
			reread(&b, &c.Plugins, at, table, t, &ok)
		case "upstreams":
			reread(&b, &c.Upstreams, at, table, t, &ok)
		case "targets":
			reread(&b, &c.Targets, at, table, t, &ok)
		case "key_sets", "keys": // not read by the data plane
		case trialEntity: // read afterwards
		default: // certificates and what belongs to them: few, and in several tables
			return false, nil
		}
	}
	if last {
		b.Queue("commit")
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return false, err
	}
	k.dropOrphans(changed)
	return ok, nil
}

// reread reads rows of a table by id into a copy of list: the old one is in use.
func reread[T any](b *pgx.Batch, list *[]T, at map[string]int, table string, t *touched, ok *bool) {
	b.Queue(selectByID(table), t.ids).Query(func(rows pgx.Rows) error {
		// What exists again after a deletion is newer than the rest.
		out := without(*list, at, t.deleted)
		found := map[string]bool{}
		for rows.Next() {
			id, e, err := scan[T](rows, table)
			if err != nil {
				return err
			}
			found[id] = true
			if i, known := at[id]; known {
				out[i] = e
				continue
			}
			at[id] = len(out)
			out = append(out, e)
		}
		for _, id := range t.ids {
			*ok = *ok && (found[id] || t.deleted[id])
			if found[id] {
				delete(t.deleted, id)
			}
		}
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
