package workload

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// finish chooses the host and the most frequent kinds, and makes requests of them.
func (c *collector) finish() *Import {
	i := &Import{Counts: c.counts, Host: c.host()}
	i.Arrivals = c.hosts[i.Host].sum()
	var kinds []*kind
	for _, k := range c.kinds {
		if k.host != "" && k.host != i.Host {
			c.counts.LeftOut[reasonHost] += k.count
			continue
		}
		kinds = append(kinds, k)
	}
	for _, open := range []func(string) string{openQuery, openPath} {
		if len(kinds) > c.o.MaxRequests && !c.o.KeepIDs {
			kinds = generalize(kinds, open, c.counts.Trimmed)
		}
	}
	slices.SortFunc(kinds, func(a, b *kind) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.order, b.order)) })
	if len(kinds) > c.o.MaxRequests {
		for _, k := range kinds[c.o.MaxRequests:] {
			c.counts.LeftOut[reasonRare] += k.count
		}
		kinds = kinds[:c.o.MaxRequests]
	}
	taken := map[string]bool{}
	var text bytes.Buffer
	for _, k := range kinds {
		r := k.request()
		r.Name = unique(k.label(r.Path), taken)
		before := text.Len()
		if writeRequest(&text, r); text.Len() > maxText {
			text.Truncate(before)
			c.counts.LeftOut[reasonText] += k.count
			continue
		}
		i.Requests = append(i.Requests, r)
		i.Counts.Kept += k.count
		if k.count > 1 {
			i.Counts.Merged += k.count
		}
	}
	return i
}

// host is the one whose requests are kept.
func (c *collector) host() string {
	if c.o.Host != "" {
		return strings.ToLower(c.o.Host)
	}
	best := ""
	for _, host := range slices.Sorted(maps.Keys(c.hosts)) {
		if host != "" && (best == "" || c.hosts[host].n > c.hosts[best].n) {
			best = host
		}
	}
	return best
}

func (k *kind) request() scenario.Request {
	r := scenario.Request{Method: k.method, Body: k.body, Weight: float64(k.count), IDs: k.ids, Expect: []int{200}}
	for _, f := range k.header {
		if r.Headers == nil {
			r.Headers = map[string]string{}
		}
		r.Headers[f.name] = f.value
	}
	switch {
	case k.ids > 0:
		r.Path = k.uri.text
	case len(k.values) > 1:
		r.Path, r.IDs = k.uri.text, len(k.values)
		r.Zipf = zipf(k.values)
	default:
		r.Path = k.uri.fill(k.first)
	}
	return r
}

// label is a name for a request of this kind: lower-case letters, digits and dashes.
func (k *kind) label(path string) string {
	label := k.name
	if label == "" {
		path, _, _ = strings.Cut(path, "?")
		label = k.method + "-" + strings.ReplaceAll(path, placeholder, "id")
	}
	var b strings.Builder
	dash := true // no dash at the beginning
	for i := range len(label) {
		ch := label[i]
		switch {
		case ch >= 'A' && ch <= 'Z':
			ch += 'a' - 'A'
		case ch >= 'a' && ch <= 'z' || ch >= '0' && ch <= '9':
		default:
			if !dash {
				b.WriteByte('-')
			}
			dash = true
			continue
		}
		b.WriteByte(ch)
		dash = false
	}
	const longest = 50 // leaves room for a number
	out := b.String()
	out = strings.Trim(out[:min(len(out), longest)], "-")
	if out == "" {
		return "request"
	}
	return out
}

// unique adds a number to a name that is taken.
func unique(name string, taken map[string]bool) string {
	out := name
	for n := 2; taken[out]; n++ {
		out = fmt.Sprintf("%s-%d", name, n)
	}
	taken[out] = true
	return out
}
