// Package transform is what request-transformer and response-transformer have in
// common: entries of the form name:value, and JSON objects that they change.
package transform

import (
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Cut takes an entry of a configuration apart, as Kong does: the name ends at the
// first colon, and all colons that follow at once belong to it.
func Cut(entry string) (name, value string) {
	name, value, _ = strings.Cut(entry, ":")
	return name, strings.TrimLeft(value, ":")
}

// List is the schema of a list of entries.
func List(name string) entity.Field {
	return entity.Field{
		Name: name, Kind: entity.Array, Required: true, Default: []any{}, Elements: &entity.Field{Kind: entity.String},
	}
}

// Rule says what is wrong with an entry, "" if nothing is.
type Rule func(name, value string) string

// Check wants every entry of config[section][list] to keep the rules.
func Check(section, list string, rules ...Rule) entity.Check {
	return entity.Check{Run: func(config entity.Record) map[string]any {
		in, _ := config[section].(map[string]any)
		entries, _ := in[list].([]any)
		var wrong []any
		for i, e := range entries {
			text, _ := e.(string)
			name, value := Cut(text)
			for _, rule := range rules {
				if message := rule(name, value); message != "" {
					wrong = append(append(wrong, make([]any, i-len(wrong))...), message)
					break
				}
			}
		}
		if wrong == nil {
			return nil
		}
		return map[string]any{section: map[string]any{list: wrong}}
	}}
}

// HasName wants a name before the colon.
func HasName(name, value string) string {
	if name == "" {
		return fmt.Sprintf("entry ':%s' has no name before its colon", value)
	}
	return ""
}

// HasValue wants a value behind the colon.
func HasValue(name, value string) string {
	if value == "" {
		return fmt.Sprintf("key '%s' has no value", name)
	}
	return ""
}

// IsBare wants nothing behind the name.
func IsBare(name, value string) string {
	if value != "" {
		return fmt.Sprintf("entry '%s:%s' must be a name alone", name, value)
	}
	return ""
}

// NamesField wants a header field's name that a plugin may change.
func NamesField(name, _ string) string { return badField(name) }

// RenamesField wants the value to be one as well.
func RenamesField(_, value string) string { return badField(value) }

// HoldsField wants a value that a header field can have.
func HoldsField(_, value string) string {
	if !IsFieldValue(value) {
		return fmt.Sprintf("'%s' is not a valid header value", value)
	}
	return ""
}

// IsFieldValue tells whether a header field can have that value: one line, and no
// other control characters than tabs.
func IsFieldValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// framing are the fields that belong to a connection or say where a message ends:
// they are the gateway's.
var framing = []string{
	"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

func badField(name string) string {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return fmt.Sprintf("'%s' is not a valid header", name)
		}
	}
	if name == "" {
		return "'' is not a valid header"
	}
	for _, f := range framing {
		if strings.EqualFold(name, f) {
			return fmt.Sprintf("header '%s' is the gateway's: it says how a message is sent, and cannot be changed", name)
		}
	}
	return ""
}
