// Package responsetransformer is Kong's plugin response-transformer: it changes
// header fields of responses, and bodies that are JSON.
package responsetransformer

import (
	"encoding/json"
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/transform"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "response-transformer",
			Config: []entity.Field{
				section("remove", transform.List("json"), transform.List("headers")),
				section("rename", transform.List("headers")),
				section("replace", transform.List("json"), types(), transform.List("headers")),
				section("add", transform.List("json"), types(), transform.List("headers")),
				section("append", transform.List("json"), types(), transform.List("headers")),
			},
			Checks: checks(),
		},
		Priority: 800,
		New:      newPlugin,
	}
}

func section(name string, fields ...entity.Field) entity.Field {
	return entity.Field{Name: name, Kind: entity.Rec, Required: true, Fields: fields}
}

// The types that a value can have.
const (
	boolType   = "boolean"
	numberType = "number"
	stringType = "string"
)

// types are those of the values of json, in their order; further ones are strings.
func types() entity.Field {
	return entity.Field{
		Name: "json_types", Kind: entity.Array, Required: true, Default: []any{},
		Elements: &entity.Field{Kind: entity.String, OneOf: []any{boolType, numberType, stringType}},
	}
}

func checks() []entity.Check {
	all := []entity.Check{
		transform.Check("remove", "json", transform.HasName, transform.IsBare),
		transform.Check("remove", "headers", transform.IsBare, transform.NamesField),
		transform.Check("rename", "headers", transform.NamesField, transform.RenamesField),
	}
	for _, s := range []string{"replace", "add", "append"} {
		all = append(all,
			transform.Check(s, "headers", transform.NamesField, transform.HasValue, transform.HoldsField),
			transform.Check(s, "json", transform.HasName, transform.HasValue),
			entity.Check{Run: func(c entity.Record) map[string]any { return checkTypes(c, s) }})
	}
	return all
}

// checkTypes refuses values that are not of their type, and types without a value.
func checkTypes(c entity.Record, name string) map[string]any {
	in, _ := c[name].(map[string]any)
	values, _ := in["json"].([]any)
	types, _ := in["json_types"].([]any)
	if len(types) > len(values) {
		message := fmt.Sprintf("there are %d types for %d values of json", len(types), len(values))
		return map[string]any{name: map[string]any{"json_types": message}}
	}
	var wrong []any
	for i, kind := range types {
		entry, _ := values[i].(string)
		key, value := transform.Cut(entry)
		if _, ok := cast(value, kind.(string)); !ok {
			wrong = append(append(wrong, make([]any, i-len(wrong))...), fmt.Sprintf("value '%s' of '%s' is no %s", value, key, kind))
		}
	}
	if wrong == nil {
		return nil
	}
	return map[string]any{name: map[string]any{"json": wrong}}
}

// cast writes a value as JSON; ok is false where it is not of its type.
func cast(value, kind string) (raw json.RawMessage, ok bool) {
	switch kind {
	case boolType:
		return json.RawMessage(value), value == "true" || value == "false"
	case numberType:
		var n json.Number
		ok := json.Unmarshal([]byte(value), &n) == nil && n.String() == value
		return json.RawMessage(value), ok
	}
	return transform.Text(value), true
}
