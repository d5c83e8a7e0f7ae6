package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/route"
)

// Cache is the response cache.
type Cache interface {
	// Lookup returns the entry of a key, nil where there is none.
	Lookup(ctx context.Context, k cache.Key) *cache.Entry
	// Purge removes an entry from this replica and from Redis. An error means that
	// Redis was not reached; this replica's memory is purged nevertheless.
	Purge(ctx context.Context, k cache.Key) (found bool, err error)
	// PurgeSelected removes what a selection names, with errors as Purge.
	PurgeSelected(ctx context.Context, sel cache.Selection) error
	// PurgeAll removes all entries, with errors as Purge.
	PurgeAll(ctx context.Context) error
}

// proxyCache serves the proxy-cache plugin's endpoints.
type proxyCache struct {
	cache Cache
	log   *slog.Logger
}

// WithProxyCache adds the endpoints of Kong's proxy-cache plugin to the Admin
// API: GET and DELETE /proxy-cache/{key}, the same under
// /proxy-cache/{plugin}/caches, and DELETE /proxy-cache, with a query for what is
// selected by it. A key means the same for every plugin, so the plugin's id is
// ignored.
func WithProxyCache(api http.Handler, c Cache, log *slog.Logger) http.Handler {
	p := &proxyCache{cache: c, log: log}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	for _, path := range []string{"/proxy-cache/{key}", "/proxy-cache/{plugin}/caches/{key}"} {
		mux.HandleFunc("GET "+path, p.show)
		mux.HandleFunc("DELETE "+path, p.purge)
	}
	mux.HandleFunc("DELETE /proxy-cache", p.purgeMany)
	mux.HandleFunc("DELETE /proxy-cache/{$}", p.purgeMany)
	return mux
}

func (p *proxyCache) show(w http.ResponseWriter, r *http.Request) {
	k, ok := cache.ParseKey(r.PathValue("key"))
	if !ok {
		cacheNotFound(w)
		return
	}
	e := p.cache.Lookup(r.Context(), k)
	if e == nil {
		cacheNotFound(w)
		return
	}
	writeJSON(w, http.StatusOK, describeEntry(e))
}

func (p *proxyCache) purge(w http.ResponseWriter, r *http.Request) {
	k, ok := cache.ParseKey(r.PathValue("key"))
	if !ok {
		cacheNotFound(w)
		return
	}
	found, err := p.cache.Purge(r.Context(), k)
	switch {
	case err != nil:
		p.purgeFailed(w, err)
	case !found:
		cacheNotFound(w)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// purgeMany removes everything, or what the query selects.
func (p *proxyCache) purgeMany(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	var sel cache.Selection
	if err == nil && r.URL.RawQuery != "" {
		sel, err = selection(query)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"message": err.Error()})
		return
	}
	if r.URL.RawQuery == "" {
		err = p.cache.PurgeAll(r.Context())
	} else {
		err = p.cache.PurgeSelected(r.Context(), sel)
	}
	if err != nil {
		p.purgeFailed(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// mostSelected bounds what one purge may name.
const mostSelected = 1000

// selection reads a query. A parameter that is not known is an error: without it
// everything would be purged.
func selection(query url.Values) (sel cache.Selection, err error) {
	n := 0
	for name, values := range query {
		n += len(values)
		for _, value := range values {
			if value == "" {
				return sel, fmt.Errorf("%s: empty; want a value, or no parameter at all to purge everything", name)
			}
			if strings.ContainsFunc(value, unicode.IsControl) {
				return sel, fmt.Errorf("%s: %q: want no control characters", name, value)
			}
			switch name {
			case "key":
				k, ok := cache.ParseKey(value)
				if !ok {
					return sel, fmt.Errorf("key: %q: want 64 hexadecimal digits, as in X-Cache-Key", value)
				}
				sel.Keys = append(sel.Keys, k)
			case "tag":
				sel.Tags = append(sel.Tags, value)
			case "route":
				sel.Routes = append(sel.Routes, value)
			case "prefix":
				if strings.Contains(value, "://") {
					return sel, fmt.Errorf("prefix: %q: want /path or host/path, without a scheme", value)
				}
				sel.Prefixes = append(sel.Prefixes, normalPrefix(value))
			default:
				return sel, fmt.Errorf("%q: want key, prefix, route or tag", name)
			}
		}
	}
	if n == 0 {
		return sel, errors.New("a query without a parameter: want key, prefix, route or tag, or no query at all to purge everything")
	}
	if n > mostSelected {
		return sel, fmt.Errorf("%d values: want at most %d in one request", n, mostSelected)
	}
	return sel, nil
}

// normalPrefix brings the escapes of a prefix into the form that entries are kept with.
func normalPrefix(prefix string) string {
	host, path, _ := strings.Cut(prefix, "/")
	path, query, has := strings.Cut("/"+path, "?")
	if strings.Contains(path, "%") || route.Escape(path) != path {
		path = route.Escape(route.Normalize(path))
	}
	if has {
		path += "?" + query
	}
	return host + path
}

// purgeFailed reports that Redis was not reached: Redis and other replicas may
// still have what was to be purged.
func (p *proxyCache) purgeFailed(w http.ResponseWriter, err error) {
	id := uuid.NewString()
	p.log.Error("purge incomplete", "error_id", id, "error", err)
	writeJSON(w, http.StatusBadGateway, map[string]any{
		"message": "purged in this replica only: Redis could not be reached", "error_id": id,
	})
}

func cacheNotFound(w http.ResponseWriter) {
	writeJSON(w, http.StatusNotFound, map[string]any{"message": "Not found"})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only where the client is gone
}

// describeEntry returns an entry in Kong's form, with the gateway's own times
// added. A body may be confidential: only its length is shown.
func describeEntry(e *cache.Entry) map[string]any {
	headers := map[string]string{}
	for _, f := range e.Header {
		headers[string(f.Name)] = string(f.Value)
	}
	d := map[string]any{"timestamp": e.Generated.Unix(), "keep_until": e.KeepUntil.Unix()}
	if e.Kind == cache.VaryNote {
		d["vary"] = e.Vary
		return d
	}
	d["status"] = e.Status
	d["headers"] = headers
	d["body_len"] = len(e.Body)
	d["ttl"] = int(e.FreshUntil.Sub(e.Generated).Seconds())
	return d
}
