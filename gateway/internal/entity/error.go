package entity

import (
	"fmt"
	"sort"
	"strings"
)

// Kong's error codes.
const (
	CodeSchema     = 2
	CodePrimaryKey = 3
	CodeForeignKey = 4
	CodeUnique     = 5
	CodeNotFound   = 6
	CodeOffset     = 7
	CodeDatabase   = 8

	CodeUnsupported = 12 // an operation that there is not without a database
	CodeDeclarative = 14 // an invalid declarative configuration

	CodeTrial = 100 // a change while a trial runs; Kong has no such code
)

// Error is an error as Kong's Admin API answers it.
type Error struct {
	Code    int            `json:"code"`
	Name    string         `json:"name"`
	Message string         `json:"message"`
	Fields  map[string]any `json:"fields,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Status is the HTTP status that the error is answered with.
func (e *Error) Status() int {
	switch e.Code {
	case CodeSchema, CodePrimaryKey, CodeForeignKey, CodeOffset, CodeDeclarative:
		return 400
	case CodeUnique, CodeTrial:
		return 409
	case CodeNotFound:
		return 404
	case CodeUnsupported:
		return 405
	}
	return 500
}

// SchemaError says which fields are wrong: messages by field, nested records
// as nested maps, "@entity" with a list for the whole.
func SchemaError(fields map[string]any) *Error {
	list := flatten("", fields)
	sort.Strings(list)
	text := fmt.Sprintf("schema violation (%s)", strings.Join(list, "; "))
	if len(list) > 1 {
		text = fmt.Sprintf("%d schema violations (%s)", len(list), strings.Join(list, "; "))
	}
	return &Error{Code: CodeSchema, Name: "schema violation", Message: text, Fields: fields}
}

func flatten(prefix string, fields map[string]any) []string {
	var out []string
	for k, v := range fields {
		name := k
		if prefix != "" {
			name = prefix + "." + k
		}
		switch v := v.(type) {
		case map[string]any:
			out = append(out, flatten(name, v)...)
		case []any:
			for _, e := range v {
				if k == "@entity" {
					out = append(out, fmt.Sprint(e))
				} else if e != nil {
					out = append(out, fmt.Sprintf("%s: %v", name, e))
				}
			}
		default:
			out = append(out, fmt.Sprintf("%s: %v", name, v))
		}
	}
	return out
}
