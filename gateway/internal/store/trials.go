package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// ErrNoTrial says that no trial of that name is running.
var ErrNoTrial = errors.New("no such trial is running")

// The states of a trial.
const (
	TrialRuns     = "running"
	TrialPromoted = "promoted"
	TrialDropped  = "dropped"
)

// keptTrials is how many trials that have ended are remembered.
const keptTrials = 100

// trialEntity is the entity of the revisions that begin and drop a trial.
const trialEntity = "trials"

// StartTrial begins a trial of the changes that plan returns, as Replace's does: the
// database has to take them, but does not keep them. Until the trial ends no other
// change is accepted, so that it can be promoted as it was tried. The error of a
// second trial, as that of every other change, is entity.TrialRunning.
func (p *Postgres) StartTrial(
	ctx context.Context, actor, name string, rules *entity.TrialRules, plan func(context.Context, *Contents) ([]EntityChange, error),
) (id string, err error) {
	err = p.within(ctx, max(p.config.QueryTimeout, bulkTimeout), func(ctx context.Context, conn *pgxpool.Conn) error {
		return transact(ctx, conn, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
			if err := p.lockAll(ctx, tx); err != nil {
				return err
			}
			have, err := p.contents(ctx, tx)
			if err != nil {
				return err
			}
			changes, err := plan(ctx, have)
			if err != nil {
				return err
			}
			if len(changes) == 0 {
				return entity.SchemaError(map[string]any{"@entity": []any{"the configuration is the one that holds: there is nothing to try"}})
			}
			if err := p.rehearse(ctx, tx, changes); err != nil {
				return err
			}
			id = uuid.NewString()
			return insertTrial(ctx, tx, actor, id, name, rules, changes)
		})
	})
	return id, trialError(err)
}

// trialError makes of the database's errors what the Admin API responds with. Others
// come from the plan, or are ErrNoTrial.
func trialError(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) || err != nil && isConnectionError(err) {
		return kongError(&entity.Schema{Name: trialEntity}, err)
	}
	return err
}

// rehearse makes changes and takes them back.
func (p *Postgres) rehearse(ctx context.Context, tx pgx.Tx, changes []EntityChange) error {
	point, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	if err := p.write(ctx, point, changes); err != nil {
		return err
	}
	return point.Rollback(ctx)
}

func insertTrial(
	ctx context.Context, tx pgx.Tx, actor, id, name string, rules *entity.TrialRules, changes []EntityChange,
) error {
	whole, summary := wholeChanges(changes, false), make([]TrialChange, len(changes))
	for i := range whole {
		summary[i] = TrialChange{Entity: whole[i].Entity, EntityID: whole[i].EntityID, Operation: whole[i].Operation}
	}
	said := entity.Record{"id": id, "name": name, "changes": wholeChanges(changes, true)}
	if err := revise(ctx, tx, &entity.Schema{Name: trialEntity}, actor, "insert", nil, said); err != nil {
		return err
	}
	texts := make([]string, 0, 3)
	for _, v := range []any{rules, summary, whole} {
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		texts = append(texts, string(raw))
	}
	var b pgx.Batch
	b.Queue("UPDATE current_revision SET trial = $1::uuid", id)
	b.Queue(`INSERT INTO trials (id, name, rules, summary, changes, base, actor)
		SELECT $1::uuid, $2::text, $3::jsonb, $4::jsonb, $5::jsonb, id - 1, $6::text FROM current_revision`,
		id, name, texts[0], texts[1], texts[2], actor)
	b.Queue("DELETE FROM trials WHERE id IN (SELECT id FROM trials ORDER BY started_at DESC OFFSET $1::bigint)", int64(keptTrials))
	return tx.SendBatch(ctx, &b).Close()
}

// DropTrial ends the trial of an id or a name: its configuration is forgotten.
func (p *Postgres) DropTrial(ctx context.Context, key, actor, reason string) error {
	err := p.transaction(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		id, name, err := endTrial(ctx, tx, key, TrialDropped, actor, reason)
		if err != nil {
			return err
		}
		said := entity.Record{"id": id, "name": name, "reason": reason}
		return revise(ctx, tx, &entity.Schema{Name: trialEntity}, actor, "delete", said, nil)
	})
	return trialError(err)
}

// PromoteTrial ends the trial of an id or a name: its configuration becomes the one
// that holds, as one revision.
func (p *Postgres) PromoteTrial(ctx context.Context, key, actor, reason string) error {
	err := p.within(ctx, max(p.config.QueryTimeout, bulkTimeout), func(ctx context.Context, conn *pgxpool.Conn) error {
		return transact(ctx, conn, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
			if err := p.lockAll(ctx, tx); err != nil {
				return err
			}
			var raw []byte
			const sql = "SELECT t.changes FROM current_revision c JOIN trials t ON t.id = c.trial WHERE t.id::text = $1 OR t.name = $1"
			if err := tx.QueryRow(ctx, sql, key).Scan(&raw); errors.Is(err, pgx.ErrNoRows) {
				return ErrNoTrial
			} else if err != nil {
				return err
			}
			changes, err := p.decodeChanges(raw)
			if err != nil {
				return err
			}
			if _, _, err := endTrial(ctx, tx, key, TrialPromoted, actor, reason); err != nil {
				return err
			}
			return p.replace(ctx, tx, actor, "promote", changes)
		})
	})
	return trialError(err)
}

// endTrial notes how a trial ended. Changes are accepted again once it is committed.
func endTrial(ctx context.Context, tx pgx.Tx, key, outcome, actor, reason string) (id, name string, err error) {
	const free = `UPDATE current_revision c SET trial = NULL FROM trials t
		WHERE t.id = c.trial AND (t.id::text = $1 OR t.name = $1) RETURNING t.id::text, t.name`
	if err := tx.QueryRow(ctx, free, key).Scan(&id, &name); errors.Is(err, pgx.ErrNoRows) {
		return "", "", ErrNoTrial
	} else if err != nil {
		return "", "", err
	}
	_, err = tx.Exec(ctx, `UPDATE trials SET outcome = $2::text, ended_by = $3::text, reason = $4::text, ended_at = clock_timestamp(),
		changes = NULL WHERE id = $1::uuid`, id, outcome, actor, reason)
	return id, name, err
}

// decodeChanges reads the changes of a trial.
func (p *Postgres) decodeChanges(raw []byte) ([]EntityChange, error) {
	var list []struct {
		Entity        string          `json:"entity"`
		Operation     string          `json:"operation"`
		Before, After json.RawMessage // null or an object
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%w: the changes of a trial: %w", ErrUnreadable, err)
	}
	out := make([]EntityChange, len(list))
	for i, c := range list {
		s, ok := p.config.Schemas.ByName(c.Entity)
		if !ok {
			return nil, fmt.Errorf("%w: a trial changes %s, which this gateway does not have", ErrUnreadable, c.Entity)
		}
		out[i] = EntityChange{Schema: s, Operation: c.Operation}
		for _, half := range []struct {
			raw  json.RawMessage
			into *entity.Record
		}{{c.Before, &out[i].Before}, {c.After, &out[i].After}} {
			if len(half.raw) == 0 || string(half.raw) == "null" {
				continue
			}
			r, err := s.DecodeJSON(half.raw)
			if err != nil {
				return nil, fmt.Errorf("%w: a trial changes a %s: %w", ErrUnreadable, s.Singular, err)
			}
			*half.into = r
		}
	}
	return out, nil
}
