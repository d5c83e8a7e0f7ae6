package scenario

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/invopop/jsonschema"
)

// SchemaID names the JSON Schema of scenarios.
const SchemaID = "gatelab/scenario/v1"

// Patterns of texts in the schema: what time.ParseDuration and parseBytes take.
const (
	durationPattern   = `^(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)$`
	objectivesPattern = `[<>]`
	bytesPattern      = `^\d+(?:\.\d*)?(?:[Bb]|[KkMmGg][Bb]?|[KkMmGgTt][Ii][Bb])?$`
)

// Schema is the JSON Schema of scenario files. It says less than Parse: what concerns more than one value, or bounds of durations, is in
// words only.
func Schema() ([]byte, error) {
	f := Describe()
	s := f.schema()
	s.Version, s.ID = jsonschema.Version, jsonschema.ID(SchemaID)
	s.Title = "A gatelab scenario"
	// What every stage may have stands in one place.
	s.Definitions = jsonschema.Definitions{}
	stages, _ := s.Properties.Get("stages")
	profiles, _ := s.Properties.Get("profiles")
	byStage, _ := profiles.AdditionalProperties.Properties.Get("stages")
	for _, one := range f.Fields {
		several := slices.Contains([]string{kindMap, kindList, kindObjectives}, one.Kind)
		if !several || one.Key == "stages" || one.Key == "profiles" || one.Key == "published" {
			continue
		}
		s.Definitions[one.Key] = one.schema()
		for _, within := range []*jsonschema.Schema{s, stages.Items, profiles.AdditionalProperties, byStage.AdditionalProperties} {
			if _, ok := within.Properties.Get(one.Key); ok {
				within.Properties.Set(one.Key, &jsonschema.Schema{Ref: "#/$defs/" + one.Key})
			}
		}
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// schema is a field's own schema.
func (f *Field) schema() *jsonschema.Schema {
	s := &jsonschema.Schema{Description: f.Meaning}
	switch f.Kind {
	case kindMap:
		f.mapSchema(s)
	case kindList:
		s.Type = "array"
		s.Items = f.Each.schema()
	case kindWhole, kindNumber:
		s.Type = "integer"
		if f.Kind == kindNumber {
			s.Type = "number"
		}
		s.Minimum = json.Number(strconv.FormatFloat(f.least, 'f', -1, 64))
		if f.most < 1e18 { // greater ones are not exact
			s.Maximum = json.Number(strconv.FormatFloat(f.most, 'f', -1, 64))
		}
	case kindBool:
		s.Type = "boolean"
	case kindText:
		s.Type, s.Pattern = "string", f.pattern
		for _, c := range f.choices {
			s.Enum = append(s.Enum, c)
		}
	case kindDuration:
		s.Description = sentence(f.Meaning, "A duration, "+f.Allowed+", as in 250ms or 1m30s.")
		s.AnyOf = []*jsonschema.Schema{{Type: "string", Pattern: durationPattern}, {Const: 0}}
	case kindBytes:
		s.Description = sentence(f.Meaning, "Memory, "+f.Allowed+", as in 256MiB.")
		s.AnyOf = []*jsonschema.Schema{{Type: "string", Pattern: bytesPattern}, {Type: "number", Minimum: "0"}}
	case kindScalar:
		s.AnyOf = []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}
	case kindObjectives:
		text := &jsonschema.Schema{Type: "string", Pattern: objectivesPattern}
		limit := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number", Minimum: "0"}}}
		s.AnyOf = []*jsonschema.Schema{text, {Type: "array", Items: text}, {Type: "object", AdditionalProperties: limit}}
	case kindEntity:
		s.Type, s.Required = "object", f.required
	}
	if f.Default != "" {
		s.Default = f.defaultValue()
	}
	return s
}

func (f *Field) mapSchema(s *jsonschema.Schema) {
	s.Type = "object"
	if f.Each != nil {
		s.AdditionalProperties = f.Each.schema()
		return
	}
	s.Properties = jsonschema.NewProperties()
	s.AdditionalProperties = jsonschema.FalseSchema
	for _, one := range f.Fields {
		s.Properties.Set(one.Key, one.schema())
		if one.Required {
			s.Required = append(s.Required, one.Key)
		}
	}
}

// defaultValue is the default in the type of the field.
func (f *Field) defaultValue() any {
	switch f.Kind {
	case kindWhole, kindNumber:
		return json.Number(f.Default)
	case kindBool:
		return f.Default == "true"
	}
	return f.Default
}

func sentence(first, second string) string {
	if first == "" {
		return second
	}
	return first + " " + second
}
