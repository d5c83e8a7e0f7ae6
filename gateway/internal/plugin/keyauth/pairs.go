package keyauth

import (
	"bytes"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// presence says how often something is in a request.
type presence uint8

const (
	absent presence = iota
	bare            // a name without "=": it has no value
	once
	repeated
)

// occurrence is what a search for a name has found.
type occurrence struct {
	value []byte // of the first that has one
	is    presence
}

// add counts one more value.
func (s *occurrence) add(value []byte) {
	switch s.is {
	case absent, bare:
		s.value, s.is = value, once
	default:
		s.is = repeated
	}
}

// cutPair takes the first pair off a query or a form.
func cutPair(raw []byte) (pair, rest []byte, more bool) { return bytes.Cut(raw, []byte{'&'}) }

// isNamed tells whether a pair's name, decoded, is the one that is asked for.
func isNamed(pair []byte, name string) bool {
	raw, _, _ := bytes.Cut(pair, []byte{'='})
	return string(plugin.DecodeName(raw)) == name
}

// findPair looks for a name in a query or a form.
func findPair(raw []byte, name string) (s occurrence) {
	for more := len(raw) > 0; more; {
		var pair []byte
		pair, raw, more = cutPair(raw)
		if !isNamed(pair, name) {
			continue
		}
		if _, value, ok := bytes.Cut(pair, []byte{'='}); ok {
			s.add(plugin.DecodeName(value))
		} else if s.is == absent {
			s.is = bare
		}
	}
	return s
}
