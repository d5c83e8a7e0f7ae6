package entity

import (
	"fmt"
	"slices"
	"strings"
)

// only lets a field have one value, for the reason that why gives.
func only(value any, why string) func(*Field) {
	return func(f *Field) { f.Only = &Only{Value: value, Why: why} }
}

func (o *Only) message() string {
	value := "null"
	if o.Value != nil {
		value = fmt.Sprint(o.Value)
	}
	return fmt.Sprintf("value must be %s: %s", value, o.Why)
}

// mixed is the message for a set with values of more than one of the
// exclusive sets.
func (f *Field) mixed(list []any) string {
	of := -1
	for _, v := range list {
		i := slices.IndexFunc(f.Exclusive, func(set []any) bool { return slices.Contains(set, v) })
		if i >= 0 && of >= 0 && i != of {
			sets := make([]string, len(f.Exclusive))
			for k, set := range f.Exclusive {
				sets[k] = "(" + quoted(set) + ")"
			}
			return "these sets are mutually exclusive: " + strings.Join(sets, ", ")
		}
		if i >= 0 {
			of = i
		}
	}
	return ""
}

func quoted(list []any) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = fmt.Sprintf("'%v'", v)
	}
	return strings.Join(parts, ", ")
}

// conditional adds the message that Kong has for a field whose rule depends on
// another one.
func conditional(errs map[string]any, on, field, message string) {
	if _, has := errs[field]; has {
		return
	}
	errs[field] = message
	list, _ := errs["@entity"].([]any)
	errs["@entity"] = append(list, fmt.Sprintf("failed conditional validation given value of field '%s'", on))
}

// settle gives fields that can have one value that one, in an entity that was
// stored when they could have others: a change to another field must not be
// refused for it.
func settle(fields []Field, stored Record) {
	for i := range fields {
		f := &fields[i]
		if _, has := stored[f.Name]; has && f.Only != nil {
			stored[f.Name] = f.Only.Value
		}
		if sub, ok := stored[f.Name].(map[string]any); ok && f.Kind == Rec {
			settle(f.Fields, sub)
		}
	}
}
