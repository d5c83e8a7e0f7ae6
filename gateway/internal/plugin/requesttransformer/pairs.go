package requesttransformer

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// pairs are a query or a form. Those that no edit names stay as they came.
type pairs struct{ list []pair }

type pair []byte

func parsePairs(raw []byte) pairs {
	if len(raw) == 0 {
		return pairs{}
	}
	var p pairs
	for one := range bytes.SplitSeq(raw, []byte{'&'}) {
		p.list = append(p.list, one)
	}
	return p
}

func newPair(name, value string) pair { return pair(encode(name) + "=" + encode(value)) }

func encode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func (p pair) name() string {
	raw, _, _ := bytes.Cut(p, []byte{'='})
	return string(plugin.DecodeName(raw))
}

// value is "true" of a name without one, as in nginx's Lua.
func (p pair) value() string {
	_, raw, ok := bytes.Cut(p, []byte{'='})
	if !ok {
		return "true"
	}
	return string(plugin.DecodeName(raw))
}

func (p pairs) bytes() []byte {
	raw := make([][]byte, len(p.list))
	for i, one := range p.list {
		raw[i] = one
	}
	return bytes.Join(raw, []byte{'&'})
}

func (p *pairs) has(name string) bool {
	return slices.ContainsFunc(p.list, func(one pair) bool { return one.name() == name })
}

func (p *pairs) remove(name string) {
	p.list = slices.DeleteFunc(p.list, func(one pair) bool { return one.name() == name })
}

// rename gives all of a name another one, in the place of those that had it.
func (p *pairs) rename(name, to string) {
	if name == to || !p.has(name) {
		return
	}
	p.remove(to)
	for i, one := range p.list {
		if one.name() == name {
			_, value, ok := bytes.Cut(one, []byte{'='})
			made := pair(encode(to))
			if ok {
				made = append(append(made, '='), value...)
			}
			p.list[i] = made
		}
	}
}

// replace leaves one of a name, with that value.
func (p *pairs) replace(name, value string) {
	at := slices.IndexFunc(p.list, func(one pair) bool { return one.name() == name })
	if at < 0 {
		return
	}
	p.remove(name)
	p.list = slices.Insert(p.list, at, newPair(name, value))
}

func (p *pairs) append(name, value string) { p.list = append(p.list, newPair(name, value)) }

// apply makes the edits in Kong's order.
func (p *pairs) apply(e *edits) {
	for _, d := range e.remove {
		p.remove(d.name)
	}
	for _, d := range e.rename {
		p.rename(d.name, d.value)
	}
	for _, d := range e.replace {
		p.replace(d.name, d.value)
	}
	for _, d := range e.add {
		if !p.has(d.name) {
			p.append(d.name, d.value)
		}
	}
	for _, d := range e.append {
		p.append(d.name, d.value)
	}
}
