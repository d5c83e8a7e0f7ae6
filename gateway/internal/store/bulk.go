package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// bulkTimeout bounds reading or replacing a whole configuration, unless
// QueryTimeout is longer.
const bulkTimeout = 2 * time.Minute

// wholeEntity is the entity of revisions that change many entities at once; their
// after has the list of changes.
const wholeEntity = "configuration"

// Contents are all entities as they are stored, by the name of their schema, in
// the order of their creation.
type Contents struct {
	Revision int64
	Records  map[string][]entity.Record

	store *Postgres
	tx    pgx.Tx
}

// Contents reads all entities at one revision. Credentials that have ended are
// left out, and so is what is no configuration.
func (p *Postgres) Contents(ctx context.Context) (*Contents, error) {
	var out *Contents
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := p.within(ctx, max(p.config.QueryTimeout, bulkTimeout), func(ctx context.Context, c *pgxpool.Conn) error {
		return transact(ctx, c, options, func(ctx context.Context, tx pgx.Tx) (err error) {
			out, err = p.contents(ctx, tx)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	out.tx = nil
	return out, nil
}

func (p *Postgres) contents(ctx context.Context, tx pgx.Tx) (*Contents, error) {
	c := &Contents{Records: map[string][]entity.Record{}, store: p, tx: tx}
	var b pgx.Batch
	b.Queue(revisionQuery).QueryRow(func(r pgx.Row) error { return r.Scan(&c.Revision) })
	for _, s := range p.config.Schemas.Schemas() {
		if s.Transient {
			continue
		}
		sql := "SELECT body FROM " + table(s)
		if s.Expires {
			sql += " WHERE " + notExpired
		}
		b.Queue(sql + " ORDER BY seq").Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var raw []byte
				if err := rows.Scan(&raw); err != nil {
					return err
				}
				r, err := s.DecodeJSON(raw)
				if err != nil {
					return fmt.Errorf("%w: %s: %w", ErrUnreadable, s.Name, err)
				}
				c.Records[s.Name] = append(c.Records[s.Name], r)
			}
			return rows.Err()
		})
	}
	return c, tx.SendBatch(ctx, &b).Close()
}

// Replace changes many entities in one transaction, which becomes one revision:
// plan gets the configuration, which nothing else can change meanwhile, and
// returns the changes, deletions first and then each after what it refers to. With
// none, there is no revision. Replace returns the revision that holds then.
func (p *Postgres) Replace(
	ctx context.Context, actor, operation string, plan func(context.Context, *Contents) ([]EntityChange, error),
) (revision int64, err error) {
	err = p.within(ctx, max(p.config.QueryTimeout, bulkTimeout), func(ctx context.Context, conn *pgxpool.Conn) error {
		return transact(ctx, conn, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
			if err := p.lockAll(ctx, tx); err != nil {
				return err
			}
			have, err := p.contents(ctx, tx)
			if err != nil {
				return err
			}
			revision = have.Revision
			changes, err := plan(ctx, have)
			if err != nil || len(changes) == 0 {
				return err
			}
			revision++
			return p.replace(ctx, tx, actor, operation, changes)
		})
	})
	return revision, err
}

// lockAll waits for writers and keeps others out. It comes before current_revision
// is locked, as with every writer.
func (p *Postgres) lockAll(ctx context.Context, tx pgx.Tx) error {
	var names []string
	for _, s := range p.config.Schemas.Schemas() {
		names = append(names, table(s))
	}
	_, err := tx.Exec(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN EXCLUSIVE MODE")
	return err
}

// replace makes changes, as one revision.
func (p *Postgres) replace(ctx context.Context, tx pgx.Tx, actor, operation string, changes []EntityChange) error {
	if err := p.write(ctx, tx, changes); err != nil {
		return err
	}
	return reviseWhole(ctx, tx, actor, operation, changes)
}

// write makes changes, without a revision.
func (p *Postgres) write(ctx context.Context, tx pgx.Tx, changes []EntityChange) error {
	var b pgx.Batch
	var of []EntityChange // of each query
	queue := func(c EntityChange, sql string, args ...any) {
		b.Queue(sql, args...)
		of = append(of, c)
	}
	for _, s := range p.config.Schemas.Schemas() {
		if s.Expires {
			if _, err := tx.Exec(ctx, deleteExpiredQuery(s)); err != nil { // their keys are free again
				return err
			}
		}
	}
	again := map[int]bool{} // updates that are made by a deletion and an insertion
	for i, c := range changes {
		if c.Operation == "update" {
			again[i] = p.release(c, queue)
		}
	}
	for i, c := range changes {
		if c.Operation == "delete" {
			queue(c, "DELETE FROM "+table(c.Schema)+" WHERE id = $1", c.Before["id"])
			continue
		}
		old := c.Before
		if again[i] {
			old = nil
		}
		sql, args, err := statement(c.Schema, old, c.After)
		if err != nil {
			return err
		}
		queue(c, sql, args...)
	}
	results := tx.SendBatch(ctx, &b)
	for _, c := range of {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			return fmt.Errorf("%s %s %v: %w", c.Operation, c.Schema.Singular, firstOf(c.After, c.Before)["id"], kongErrorOf(c.Schema, c.After, err))
		}
	}
	if err := results.Close(); err != nil {
		return err
	}
	for _, c := range changes {
		if c.Schema.Name == "services" && c.After != nil {
			if err := writeAuthorities(ctx, tx, c.After); err != nil {
				return kongErrorOf(c.Schema, c.After, err)
			}
		}
	}
	return nil
}

func firstOf(a, b entity.Record) entity.Record {
	if a != nil {
		return a
	}
	return b
}

// release frees what an update gives up, so that another entity can take it and
// what it refers to can be deleted. It returns true where it deleted the row.
func (p *Postgres) release(c EntityChange, queue func(c EntityChange, sql string, args ...any)) bool {
	for _, name := range guarded(c.Schema) {
		if jsonText(c.Before[name]) == jsonText(c.After[name]) {
			continue
		}
		if !p.isReferredTo(c.Schema) {
			queue(c, "DELETE FROM "+table(c.Schema)+" WHERE id = $1", c.Before["id"])
			return true
		}
		value := "id::text"
		if f, _ := c.Schema.Field(name); f.Kind == entity.Foreign {
			value = "NULL"
		}
		queue(c, "UPDATE "+table(c.Schema)+" SET "+column(name)+" = "+value+" WHERE id = $1", c.Before["id"])
	}
	return false
}

// isReferredTo reports whether entities of another kind refer to those of s.
func (p *Postgres) isReferredTo(s *entity.Schema) bool {
	if s.Name == "ca_certificates" {
		return true // by the lists of services
	}
	for _, other := range p.config.Schemas.Schemas() {
		for _, fk := range other.ForeignKeys() {
			if fk.Schema == s.Name {
				return true
			}
		}
	}
	return false
}

func jsonText(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

// wholeChange is an EntityChange as it is in a revision.
type wholeChange struct {
	Entity    string         `json:"entity"`
	EntityID  any            `json:"entity_id"`
	Operation string         `json:"operation"`
	Before    map[string]any `json:"before,omitempty"`
	After     map[string]any `json:"after,omitempty"`
}

// reviseWhole makes one revision of many changes.
func reviseWhole(ctx context.Context, tx pgx.Tx, actor, operation string, changes []EntityChange) error {
	whole := &entity.Schema{Name: wholeEntity}
	said := entity.Record{"id": uuid.Nil.String(), "changes": wholeChanges(changes, true)}
	return revise(ctx, tx, whole, actor, operation, nil, said)
}

// wholeChanges are changes as they are stored, without secrets where they are
// redacted.
func wholeChanges(changes []EntityChange, redacted bool) []wholeChange {
	list := make([]wholeChange, len(changes))
	for i, c := range changes {
		list[i] = wholeChange{
			Entity: c.Schema.Name, EntityID: firstOf(c.After, c.Before)["id"], Operation: c.Operation, Before: c.Before, After: c.After,
		}
		if redacted {
			list[i].Before, list[i].After = c.Schema.Redact(c.Before), c.Schema.Redact(c.After)
		}
	}
	return list
}
