package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Trial is a trial as it is stored, with what all replicas have counted.
type Trial struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	entity.TrialRules
	Base      int64         `json:"base_revision"` // the revision that it was begun at
	Changes   []TrialChange `json:"changes"`
	StartedAt time.Time     `json:"started_at"`
	StartedBy string        `json:"started_by"`
	EndedAt   *time.Time    `json:"ended_at,omitempty"`
	EndedBy   string        `json:"ended_by,omitempty"`
	Reason    string        `json:"reason,omitempty"`

	Stable    entity.TrialCounts `json:"stable"` // meanwhile, with the other configuration
	Tried     entity.TrialCounts `json:"trial"`
	ByReplica []ReplicaCounts    `json:"by_replica"`
}

// TrialChange is what a trial changes, without how.
type TrialChange struct {
	Entity    string `json:"entity"`
	EntityID  any    `json:"entity_id"`
	Operation string `json:"operation"`
}

// ReplicaCounts are what one process of a replica has counted.
type ReplicaCounts struct {
	Replica string             `json:"replica"`
	Stable  entity.TrialCounts `json:"stable"`
	Tried   entity.TrialCounts `json:"trial"`
	At      time.Time          `json:"at"`
}

// Trials returns the trial that runs and those that have ended, the newest first.
func (p *Postgres) Trials(ctx context.Context) (out []Trial, err error) {
	err = p.transaction(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id::text, name, coalesce(outcome, ''), rules, base, summary, started_at, actor, ended_at,
			coalesce(ended_by, ''), coalesce(reason, '') FROM trials ORDER BY started_at DESC`)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Trial, err error) {
			err = row.Scan(&t.ID, &t.Name, &t.State, &t.TrialRules, &t.Base, &t.Changes, &t.StartedAt, &t.StartedBy, &t.EndedAt,
				&t.EndedBy, &t.Reason)
			if t.State == "" {
				t.State = TrialRuns
			}
			t.ByReplica = []ReplicaCounts{}
			return t, err
		})
		if err != nil {
			return err
		}
		return addCounts(ctx, tx, out)
	})
	return out, trialError(err)
}

func addCounts(ctx context.Context, tx pgx.Tx, list []Trial) error {
	at := map[string]*Trial{}
	for i := range list {
		at[list[i].ID] = &list[i]
	}
	rows, err := tx.Query(ctx, "SELECT trial::text, replica, stable, tried, at FROM trial_counts ORDER BY replica, at")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var c ReplicaCounts
		if err := rows.Scan(&id, &c.Replica, &c.Stable, &c.Tried, &c.At); err != nil {
			return err
		}
		if t := at[id]; t != nil {
			t.ByReplica = append(t.ByReplica, c)
			t.Stable, t.Tried = t.Stable.Plus(c.Stable), t.Tried.Plus(c.Tried)
		}
	}
	return rows.Err()
}

// ReportTrial stores what a process of a replica has counted of a trial, and returns
// what all have and how long the trial has been running, by the database's clock.
func (p *Postgres) ReportTrial(
	ctx context.Context, id, process, replica string, stable, tried entity.TrialCounts,
) (all entity.TrialCounts, age time.Duration, err error) {
	texts := make([]string, 0, 2)
	for _, c := range []entity.TrialCounts{stable, tried} {
		raw, err := json.Marshal(c)
		if err != nil {
			return all, 0, err
		}
		texts = append(texts, string(raw))
	}
	err = p.transaction(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(`INSERT INTO trial_counts (trial, process, replica, stable, tried)
			SELECT id, $2::uuid, $3::text, $4::jsonb, $5::jsonb FROM trials WHERE id = $1::uuid
			ON CONFLICT (trial, process) DO UPDATE SET stable = excluded.stable, tried = excluded.tried, at = clock_timestamp()`,
			id, process, replica, texts[0], texts[1])
		b.Queue(`SELECT coalesce(sum((c.tried->>'requests')::bigint), 0)::bigint, coalesce(sum((c.tried->>'errors')::bigint), 0)::bigint,
			coalesce(sum((c.tried->>'slow')::bigint), 0)::bigint, max(extract(epoch FROM clock_timestamp() - t.started_at))::float8
			FROM trials t LEFT JOIN trial_counts c ON c.trial = t.id WHERE t.id = $1::uuid`, id).QueryRow(func(r pgx.Row) error {
			var seconds *float64
			if err := r.Scan(&all.Requests, &all.Errors, &all.Slow, &seconds); err != nil {
				return err
			}
			if seconds == nil {
				return ErrNoTrial
			}
			age = time.Duration(*seconds * float64(time.Second))
			return nil
		})
		return tx.SendBatch(ctx, &b).Close()
	})
	return all, age, err
}
