package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"
)

// newVaryNote makes a note over names and those of the note before it. Its
// nonce is new: what was stored under the previous one is out of reach.
func newVaryNote(old *Entry, names []string) *Entry {
	note := &Entry{Kind: VaryNote, Nonce: rand.Uint64(), Generated: time.Now()}
	note.Vary = slices.Clone(names)
	if old != nil {
		note.Vary = append(note.Vary, old.Vary...)
	}
	slices.Sort(note.Vary)
	note.Vary = slices.Compact(note.Vary)
	return note
}

// contains tells whether all of names are in vary.
func contains(vary, names []string) bool {
	for _, n := range names {
		if !slices.Contains(vary, n) {
			return false
		}
	}
	return true
}

// variantKey is where the variant for request lies, by the names and nonce of
// a VaryNote or of a Response that varies.
func variantKey(primary Key, note *Entry, request Headers) Key {
	buf := make([]byte, 0, 256)
	buf = append(buf, primary[:]...)
	buf = binary.BigEndian.AppendUint64(buf, note.Nonce)
	for _, name := range note.Vary {
		buf = append(buf, name...)
		buf = append(buf, ':')
		if values := request.PeekAll(name); isNegotiation(name) {
			buf = appendNormal(buf, values)
		} else {
			// Lengths keep two values apart from one that holds both.
			for _, v := range values {
				buf = binary.AppendUvarint(buf, uint64(len(v)))
				buf = append(buf, v...)
			}
		}
		buf = append(buf, '\n')
	}
	return sha256.Sum256(buf)
}

// isNegotiation tells whether a field, in lower case, is a list in which neither
// spaces nor lines count, nor letter case outside of quotes: what differs in them is
// the same variant (RFC 9111, 4.1). Of other fields nothing is known.
func isNegotiation(name string) bool {
	return name == "accept" || name == "accept-encoding" || name == "accept-language" || name == "accept-charset"
}

func appendNormal(buf []byte, values [][]byte) []byte {
	for _, v := range values {
		quoted := false
		for _, c := range v {
			if c == '"' {
				quoted = !quoted
			}
			switch {
			case quoted:
				buf = append(buf, c)
			case c == ' ' || c == '\t':
			case 'A' <= c && c <= 'Z':
				buf = append(buf, c+'a'-'A')
			default:
				buf = append(buf, c)
			}
		}
		buf = append(buf, ',')
	}
	return buf
}

// under is where e lies for a request of the resource key.
func (e *Entry) under(key Key, request Headers) Key {
	if len(e.Vary) == 0 {
		return key
	}
	return variantKey(key, e, request)
}
