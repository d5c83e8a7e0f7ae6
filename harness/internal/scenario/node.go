package scenario

import (
	"fmt"
	"strconv"
)

// kind is what a YAML value is.
type kind int

const (
	null kind = iota
	boolean
	integer
	float
	text
	mapping
	list
)

// place is a line and a column in a file, both from 1. file is empty until the
// whole file was read.
type place struct {
	line, column int
	file         string
}

// node is a YAML value that remembers where it was written, also after
// overlays were merged. Nodes are never changed once made.
type node struct {
	kind    kind
	at      place
	value   any     // bool, int64, uint64 above that, float64 or string
	entries []entry // of a mapping, in the file's order, keys unique
	items   []*node // of a list
}

// entry is one key of a mapping.
type entry struct {
	key   string
	at    place
	value *node
}

// field is the value under key, nil when there is none.
func (n *node) field(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// without is n less some keys.
func (n *node) without(keys ...string) *node {
	out := &node{kind: n.kind, at: n.at, value: n.value, items: n.items}
next:
	for _, e := range n.entries {
		for _, k := range keys {
			if e.key == k {
				continue next
			}
		}
		out.entries = append(out.entries, e)
	}
	return out
}

// string is the value as an error shows it.
func (n *node) string() string {
	switch n.kind {
	case null:
		return "nothing"
	case mapping:
		return "a map"
	case list:
		return "a list"
	case text:
		return strconv.Quote(n.value.(string))
	default:
		return fmt.Sprint(n.value)
	}
}

// scalar is the value as a setting; false for maps, lists and nothing.
func (n *node) scalar() (string, bool) {
	switch n.kind {
	case null, mapping, list:
		return "", false
	case float:
		return strconv.FormatFloat(n.value.(float64), 'f', -1, 64), true
	default:
		return fmt.Sprint(n.value), true
	}
}

// plain is the value as JSON would have it: map[string]any, []any, string,
// bool, int64, uint64, float64 or nil.
func (n *node) plain() any {
	if n == nil {
		return nil
	}
	switch n.kind {
	case mapping:
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key] = e.value.plain()
		}
		return m
	case list:
		l := make([]any, len(n.items))
		for i, v := range n.items {
			l[i] = v.plain()
		}
		return l
	default:
		return n.value
	}
}
