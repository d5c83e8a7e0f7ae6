package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// This file makes the configuration of a trial: the one that holds, with changes.

// readTrial reads the trial that runs, if there is one. A trial that cannot be read
// does not keep the configuration from being read.
func (k *cachedConfig) readTrial(ctx context.Context, tx pgx.Tx, schemas *entity.Catalog) error {
	k.config.Trial = nil
	t := &entity.Trial{}
	var rules, raw []byte
	const sql = `SELECT t.id::text, t.name, t.rules, t.changes, t.started_at
		FROM current_revision c JOIN trials t ON t.id = c.trial`
	err := tx.QueryRow(ctx, sql).Scan(&t.ID, &t.Name, &rules, &raw, &t.Started)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	t.Started = t.Started.UTC()
	t.Config, err = k.tried(raw, schemas)
	if wrong := json.Unmarshal(rules, &t.Rules); err == nil {
		err = wrong
	}
	if err != nil {
		t.Config, t.Problem = nil, err.Error()
	}
	k.config.Trial = t
	return nil
}

// triedChange is a change of a trial as the data plane needs it.
type triedChange struct {
	Entity    string          `json:"entity"`
	EntityID  string          `json:"entity_id"`
	Operation string          `json:"operation"`
	After     json.RawMessage `json:"after"`
}

// tried is the configuration with the changes of a trial. Lists without a change are
// shared with it.
func (k *cachedConfig) tried(raw []byte, schemas *entity.Catalog) (*entity.Config, error) {
	var list []triedChange
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%w: the changes of a trial: %w", ErrUnreadable, err)
	}
	of := map[string][]triedChange{}
	for _, c := range list {
		if s, ok := schemas.ByName(c.Entity); ok && s.Expires {
			c.After = withEnd(c.After)
		}
		of[c.Entity] = append(of[c.Entity], c)
	}
	c := k.config
	c.Trial = nil
	for table, changes := range of {
		if err := k.overlay(&c, table, changes); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

func (k *cachedConfig) overlay(c *entity.Config, table string, changes []triedChange) error {
	at := k.at[table]
	switch list := c.Lists()[table].(type) {
	case *[]entity.Service:
		return overlay(list, at, changes)
	case *[]*entity.Route:
		return overlay(list, at, changes)
	case *[]entity.Consumer:
		return overlay(list, at, changes)
	case *[]entity.KeyAuth:
		return overlay(list, at, changes)
	case *[]entity.JWTSecret:
		return overlay(list, at, changes)
	case *[]entity.BasicAuth:
		return overlay(list, at, changes)
	case *[]entity.HMACAuth:
		return overlay(list, at, changes)
	case *[]entity.OAuth2Credential:
		return overlay(list, at, changes)
	case *[]entity.ACL:
		return overlay(list, at, changes)
	case *[]entity.Plugin:
		return overlay(list, at, changes)
	case *[]entity.Upstream:
		return overlay(list, at, changes)
	case *[]entity.Target:
		return overlay(list, at, changes)
	case *[]entity.Certificate:
		return overlay(list, at, changes)
	case *[]entity.CACertificate:
		return overlay(list, at, changes)
	case *[]entity.SNI:
		return overlay(list, at, changes)
	}
	return nil // not read by the data plane
}

// overlay puts a copy of list in its place, with changes.
func overlay[T any](list *[]T, at map[string]int, changes []triedChange) error {
	gone := map[string]bool{}
	for _, c := range changes {
		if c.Operation == "delete" {
			gone[c.EntityID] = true
		}
	}
	at = maps.Clone(at)
	if at == nil {
		at = map[string]int{}
	}
	out := without(*list, at, gone)
	for _, c := range changes {
		if c.Operation == "delete" {
			continue
		}
		var e T
		if err := json.Unmarshal(c.After, &e); err != nil {
			return fmt.Errorf("%w: %s %s: %w", ErrUnreadable, c.Entity, c.EntityID, err)
		}
		if i, known := at[c.EntityID]; known {
			out[i] = e
			continue
		}
		at[c.EntityID] = len(out)
		out = append(out, e)
	}
	*list = out
	return nil
}

// withEnd adds when a credential with a ttl ends, counted from its creation.
func withEnd(raw json.RawMessage) json.RawMessage {
	var r map[string]any
	if json.Unmarshal(raw, &r) != nil || r == nil {
		return raw
	}
	ttl, _ := r["ttl"].(float64)
	created, _ := r["created_at"].(float64)
	if ttl <= 0 {
		return raw
	}
	r["expires_at"] = int64(created+ttl) * 1000
	if out, err := json.Marshal(r); err == nil {
		return out
	}
	return raw
}
