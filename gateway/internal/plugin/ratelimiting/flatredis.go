package ratelimiting

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

// flatFields are the flat spelling of 3.4: redis_host and so on, kept equal
// to redis.host and so on. They are described as Kong 3.6 does, as shorthands
// of the nested fields: clients then know that an entity in one spelling is the
// same in the other, and look for no defaults in the flat ones.
func flatFields() []entity.Field {
	nested := redisconfig.Server()
	flat := make([]entity.Field, len(nested))
	for i, f := range nested {
		flat[i] = f
		flat[i].Name = "redis_" + f.Name
		flat[i].Default = nil
		flat[i].Required = false
		flat[i].Means = []string{"redis", f.Name}
	}
	return flat
}

// flatNames are the nested names of the flat fields.
var flatNames = func() map[string]string {
	names := map[string]string{}
	for _, f := range flatFields() {
		names[f.Name] = f.Means[1]
	}
	return names
}()

// flatRedis keeps redis_host and so on equal to redis.host; where both are
// given the nested one wins.
func flatRedis(c entity.Record) {
	nested, ok := c["redis"].(map[string]any)
	switch {
	case c["redis"] != nil && !ok:
		return // validation will say so
	case !ok:
		nested = entity.Record{}
		c["redis"] = nested
	}
	for flat, name := range flatNames {
		if v := c[flat]; v != nil && nested[name] == nil {
			nested[name] = v
		}
		if v, has := nested[name]; has && v != nil {
			c[flat] = v
		}
	}
}

// patchFlatRedis gives a change both spellings, so that it wins over what is
// stored in the other one.
func patchFlatRedis(c entity.Record) {
	nested, isRecord := c["redis"].(map[string]any)
	if c["redis"] != nil && !isRecord {
		return // validation will say so
	}
	for flat, name := range flatNames {
		v, isFlat := c[flat]
		w, isNested := nested[name]
		switch {
		case isNested:
			c[flat] = w
		case isFlat:
			if nested == nil {
				nested = entity.Record{}
				c["redis"] = nested
			}
			nested[name] = v
		}
	}
}
