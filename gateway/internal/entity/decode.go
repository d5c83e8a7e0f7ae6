package entity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// errJSON is worded as Kong does.
var errJSON = errors.New("Cannot parse JSON body") //nolint:staticcheck // Kong's message

// DecodeJSON reads a JSON object. Numbers without a fraction become int64.
// Shorthands (a service's url) are expanded; nothing is validated yet.
func (s *Schema) DecodeJSON(body []byte) (Record, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Record{}, nil
	}
	if !isText(body) {
		return nil, SchemaError(map[string]any{"@entity": []any{"text must be valid UTF-8 without NUL"}})
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errJSON
	}
	if d.More() {
		return nil, errJSON
	}
	r, ok := numbers(v).(map[string]any)
	if !ok {
		return nil, errJSON
	}
	return r, s.expand(r)
}

// loneSurrogate is half of a character above U+FFFF, as JSON escapes it.
var loneSurrogate = regexp.MustCompile(`(?i)\\u(d[89ab][0-9a-f]{2})(\\u(d[c-f][0-9a-f]{2}))?|\\u(d[c-f][0-9a-f]{2})|\\\\`)

// isText tells whether a JSON text has none but whole characters: the decoder
// would put U+FFFD in the place of others, and a key would not be the one that
// was sent.
func isText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	for _, m := range loneSurrogate.FindAllSubmatch(body, -1) {
		if len(m[4]) > 0 || len(m[1]) > 0 && len(m[3]) == 0 {
			return false
		}
	}
	return true
}

// numbers turns json.Number into int64 or float64.
func numbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, err := x.Float64()
		if err != nil {
			return x // beyond every number and no text either: no field takes it
		}
		return f
	case map[string]any:
		for k, e := range x {
			x[k] = numbers(e)
		}
	case []any:
		for i, e := range x {
			x[i] = numbers(e)
		}
	}
	return v
}

func (s *Schema) expand(r Record) error {
	if s.Shorthand == nil {
		return nil
	}
	return s.Shorthand(r)
}

// Decode turns a record into one of the typed entities.
func Decode[T any](r Record) (T, error) {
	var out T
	b, err := json.Marshal(r)
	if err != nil {
		return out, fmt.Errorf("encode record: %w", err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, fmt.Errorf("decode record: %w", err)
	}
	return out, nil
}
