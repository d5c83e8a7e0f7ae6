package admin

import (
	"context"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/store"
	"github.com/gatelab/gatelab/gateway/internal/vault"
)

// RejectUnresolvable returns a store that rejects entities with references that
// cannot be resolved in this process: no later change could be applied beside
// one. References are stored as they are.
func RejectUnresolvable(s Store, lookup vault.Lookup) Store {
	return &resolvableStore{Store: s, lookup: lookup}
}

type resolvableStore struct {
	Store
	lookup vault.Lookup
}

func (s *resolvableStore) check(schema *entity.Schema, r entity.Record) error {
	if err := vault.Check(schema, r, s.lookup); err != nil {
		return entity.SchemaError(map[string]any{"@entity": []any{err.Error()}})
	}
	return nil
}

func (s *resolvableStore) Insert(ctx context.Context, schema *entity.Schema, r entity.Record, actor string) error {
	if err := s.check(schema, r); err != nil {
		return err
	}
	return s.Store.Insert(ctx, schema, r, actor)
}

func (s *resolvableStore) Modify(
	ctx context.Context, schema *entity.Schema, key string, foreign map[string]string, actor string, change store.Change,
) (entity.Record, bool, error) {
	return s.Store.Modify(ctx, schema, key, foreign, actor, func(old entity.Record) (entity.Record, error) {
		r, err := change(old)
		if err == nil && r != nil {
			err = s.check(schema, r)
		}
		return r, err
	})
}
