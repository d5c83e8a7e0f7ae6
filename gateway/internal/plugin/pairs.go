package plugin

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// DropPairs is a query or a form without the pairs of some names. All other bytes
// stay as they are, in their order. left is false where there was no other pair,
// not even an empty one; without such names rest is raw itself.
func DropPairs(raw []byte, names ...string) (rest []byte, left bool) {
	if !hasPair(raw, names) {
		return raw, len(raw) > 0
	}
	rest = make([]byte, 0, len(raw))
	for pair := range bytes.SplitSeq(raw, []byte{'&'}) {
		if isNamedAny(pair, names) {
			continue
		}
		if left {
			rest = append(rest, '&')
		}
		rest, left = append(rest, pair...), true
	}
	return rest, left
}

// HideInQuery takes the parameters of some names off the query.
func HideInQuery(r *fasthttp.Request, names ...string) {
	target := r.Header.RequestURI()
	path, query, ok := bytes.Cut(target, []byte{'?'})
	if !ok || !hasPair(query, names) {
		return
	}
	rest, left := DropPairs(query, names...)
	made := append(make([]byte, 0, len(target)), path...)
	if left {
		made = append(append(made, '?'), rest...)
	}
	r.SetRequestURIBytes(made)
}

func hasPair(raw []byte, names []string) bool {
	for more := len(raw) > 0; more; {
		var pair []byte
		if pair, raw, more = bytes.Cut(raw, []byte{'&'}); isNamedAny(pair, names) {
			return true
		}
	}
	return false
}

func isNamedAny(pair []byte, names []string) bool {
	raw, _, _ := bytes.Cut(pair, []byte{'='})
	decoded := DecodeName(raw)
	for _, name := range names {
		if string(decoded) == name {
			return true
		}
	}
	return false
}
