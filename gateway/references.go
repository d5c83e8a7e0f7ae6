package main

import (
	"context"
	"fmt"
	"strings"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/store"
)

// lookupEnv finds an environment variable, as os.LookupEnv does.
type lookupEnv func(name string) (string, bool)

// resolveReferences is the configuration with the values of {vault://env/...}
// in their place. What has no reference is shared with cfg, which is not changed.
// The error names the entity, the field and the variable, never a value.
func resolveReferences(cfg *entity.Config, lookup lookupEnv) (*entity.Config, error) {
	out := *cfg
	plugins, certificates := cfg.Plugins, cfg.Certificates
	schema, _ := entity.ByName("plugins")
	for i := range cfg.Plugins {
		p := &cfg.Plugins[i]
		if !refers(p.Config) {
			continue
		}
		r := entity.Record{"name": p.Name, "config": deepCopy(p.Config)}
		if err := schema.Resolve(r, lookup); err != nil {
			return nil, fmt.Errorf("plugin %s %s: %w", p.Name, p.ID, err)
		}
		if &out.Plugins[0] == &plugins[0] {
			out.Plugins = append([]entity.Plugin(nil), plugins...)
		}
		out.Plugins[i].Config, _ = r["config"].(map[string]any)
	}
	schema, _ = entity.ByName("certificates")
	for i := range cfg.Certificates {
		c := &cfg.Certificates[i]
		r := entity.Record{"cert": c.Cert, "key": c.Key}
		if !refers(r) {
			continue
		}
		if err := schema.Resolve(r, lookup); err != nil {
			return nil, fmt.Errorf("certificate %s: %w", c.ID, err)
		}
		if &out.Certificates[0] == &certificates[0] {
			out.Certificates = append([]entity.Certificate(nil), certificates...)
		}
		out.Certificates[i].Cert, _ = r["cert"].(string)
		out.Certificates[i].Key, _ = r["key"].(string)
	}
	return &out, nil
}

// refers tells whether a text in v may be a reference.
func refers(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.HasPrefix(v, "{vault://")
	case map[string]any:
		for _, e := range v {
			if refers(e) {
				return true
			}
		}
	}
	return false
}

// deepCopy copies maps within maps; lists hold no references and are shared.
func deepCopy(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if sub, ok := v.(map[string]any); ok {
			v = deepCopy(sub)
		}
		out[k] = v
	}
	return out
}

// resolvable is the store of the Admin API: it refuses a reference to what this
// process does not have, because no later change could be applied beside it. The
// reference is stored as it is.
type resolvable struct {
	*store.Postgres
	lookup lookupEnv
}

func (s resolvable) check(schema *entity.Schema, r entity.Record) error {
	if !refers(r) {
		return nil
	}
	if err := schema.Resolve(deepCopy(r), s.lookup); err != nil {
		return entity.SchemaError(map[string]any{"@entity": []any{err.Error()}})
	}
	return nil
}

// Insert is the store's, for what can be resolved.
func (s resolvable) Insert(ctx context.Context, schema *entity.Schema, r entity.Record, actor string) error {
	if err := s.check(schema, r); err != nil {
		return err
	}
	return s.Postgres.Insert(ctx, schema, r, actor)
}

// Modify is the store's, for what can be resolved.
func (s resolvable) Modify(ctx context.Context, schema *entity.Schema, key string, foreign map[string]string, actor string,
	change store.Change,
) (entity.Record, bool, error) {
	return s.Postgres.Modify(ctx, schema, key, foreign, actor, func(old entity.Record) (entity.Record, error) {
		r, err := change(old)
		if err == nil && r != nil {
			err = s.check(schema, r)
		}
		return r, err
	})
}
