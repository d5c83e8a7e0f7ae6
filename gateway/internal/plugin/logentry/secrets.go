package logentry

import (
	"slices"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// hide puts a mark in the place of credentials: the values of header fields, query
// parameters and cookies of these names. Kong tells them all but Authorization.
func (e *Entry) hide(names []string) {
	if len(names) == 0 {
		return
	}
	r := &e.Request
	for _, name := range names {
		if lower := strings.ToLower(name); r.Headers[lower] != nil {
			r.Headers[lower] = redacted
		}
		if r.Querystring[name] != nil {
			r.Querystring[name] = redacted
		}
	}
	r.URI, r.URL = hideQuery(r.URI, names), hideQuery(r.URL, names)
	e.UpstreamURI = hideQuery(e.UpstreamURI, names)
	switch cookie := r.Headers["cookie"].(type) {
	case string:
		r.Headers["cookie"] = hideCookies(cookie, names)
	case []any:
		for i := range cookie {
			text, _ := cookie[i].(string)
			cookie[i] = hideCookies(text, names)
		}
	}
}

// hideQuery changes the query of a target or URL.
func hideQuery(uri string, names []string) string {
	path, query, ok := strings.Cut(uri, "?")
	if !ok {
		return uri
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		if slices.Contains(names, string(plugin.DecodeName([]byte(name)))) {
			pairs[i] = name + "=" + redacted
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}

func hideCookies(cookie string, names []string) string {
	pairs := strings.Split(cookie, ";")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		if slices.Contains(names, strings.TrimSpace(name)) {
			pairs[i] = name + "=" + redacted
		}
	}
	return strings.Join(pairs, ";")
}
