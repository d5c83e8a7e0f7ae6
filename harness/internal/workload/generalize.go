package workload

import (
	"cmp"
	"slices"
	"strings"
)

// manyTexts is the number of different paths from which the texts in which they differ are replaced.
const manyTexts = 10

// trimText is what requests are kept without whose paths have too many different texts.
const trimText = "texts of the query or at the end of the path, replaced by {id}: there are more different ones than --max-requests"

// generalize joins kinds that are equal but for what open replaces in their paths, if there are many of them. Each different path is a
// value of {id} then.
func generalize(kinds []*kind, open func(string) string, trimmed map[string]int) []*kind {
	groups := map[string][]*kind{}
	for _, k := range kinds {
		key := k.key(open(k.uri.text))
		groups[key] = append(groups[key], k)
	}
	var out []*kind
	for _, group := range groups {
		first := slices.MinFunc(group, func(a, b *kind) int { return cmp.Compare(a.order, b.order) })
		if len(group) < manyTexts || first.ids > 0 || strings.Contains(first.body, placeholder) {
			out = append(out, group...)
			continue
		}
		joined := *first
		joined.uri = shape{text: open(first.uri.text)}
		joined.values = map[string]int{}
		joined.count = 0
		for _, k := range group {
			joined.count += k.count
			if len(k.values) == 0 {
				joined.add(k.uri.text, k.count)
			}
			for v, n := range k.values {
				joined.add(k.uri.text+" "+v, n)
			}
		}
		trimmed[trimText] += joined.count
		out = append(out, &joined)
	}
	return out
}

// add counts requests with a value of {id}.
func (k *kind) add(value string, n int) {
	if _, ok := k.values[value]; ok || len(k.values) < maxIDs {
		k.values[value] += n
	}
}

// openQuery replaces the values of a query.
func openQuery(uri string) string {
	path, query, ok := strings.Cut(uri, "?")
	if !ok {
		return uri
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		if name, _, ok := strings.Cut(p, "="); ok {
			parts[i] = name + "=" + placeholder
		} else if p != "" {
			parts[i] = placeholder
		}
	}
	return path + "?" + strings.Join(parts, "&")
}

// openPath is openQuery that also replaces the last segment of the path.
func openPath(uri string) string {
	path, query, ok := strings.Cut(openQuery(uri), "?")
	end := strings.TrimSuffix(path, "/")
	if at := strings.LastIndexByte(end, '/'); at >= 0 && at < len(end)-1 {
		path = end[:at+1] + placeholder + path[len(end):]
	}
	if ok {
		return path + "?" + query
	}
	return path
}
