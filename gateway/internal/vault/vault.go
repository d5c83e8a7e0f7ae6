// Package vault replaces references to environment variables in entities,
// {vault://env/name}, by their values.
package vault

import (
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Lookup finds an environment variable, as os.LookupEnv does.
type Lookup func(name string) (string, bool)

// Resolve returns the configuration with values in the place of references. cfg
// is not changed; entities without references are shared with it. The error names
// the entity, the field and the variable, never a value.
func Resolve(cfg *entity.Config, schemas *entity.Catalog, lookup Lookup) (*entity.Config, error) {
	out := *cfg
	plugins, certificates := cfg.Plugins, cfg.Certificates
	schema, _ := schemas.ByName("plugins")
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
	schema, _ = schemas.ByName("certificates")
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

// refers reports whether a string in v may be a reference.
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

// deepCopy copies maps within maps; lists contain no references and are shared.
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

// Check returns what is wrong with the references of an entity: those that
// cannot be resolved in this process. The entity is not changed.
func Check(schema *entity.Schema, r entity.Record, lookup Lookup) error {
	if !refers(r) {
		return nil
	}
	return schema.Resolve(deepCopy(r), lookup)
}
