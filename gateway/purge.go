package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/google/uuid"

	"gatelab/gateway/internal/cache"
)

// purger is what the proxy-cache endpoints of the Admin API need of the cache.
type purger interface {
	Lookup(ctx context.Context, k cache.Key) *cache.Entry
	Purge(ctx context.Context, k cache.Key) (found bool, err error)
	PurgeAll(ctx context.Context) error
}

// withProxyCache puts Kong's proxy-cache endpoints before the Admin API: GET
// and DELETE /proxy-cache/{key}, the same under /proxy-cache/{plugin}/caches,
// and DELETE /proxy-cache. What a key names is the same for every plugin, so
// the plugin's id does not matter.
func withProxyCache(admin http.Handler, c purger, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", admin)
	show := func(w http.ResponseWriter, r *http.Request) {
		k, ok := cache.ParseKey(r.PathValue("key"))
		if ok {
			if e := c.Lookup(r.Context(), k); e != nil {
				answer(w, http.StatusOK, describe(e))
				return
			}
		}
		notFound(w)
	}
	purge := func(w http.ResponseWriter, r *http.Request) {
		k, ok := cache.ParseKey(r.PathValue("key"))
		if !ok {
			notFound(w)
			return
		}
		found, err := c.Purge(r.Context(), k)
		switch {
		case err != nil:
			purgeFailed(w, log, err)
		case !found:
			notFound(w)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}
	purgeAll := func(w http.ResponseWriter, r *http.Request) {
		if err := c.PurgeAll(r.Context()); err != nil {
			purgeFailed(w, log, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	for _, path := range []string{"/proxy-cache/{key}", "/proxy-cache/{plugin}/caches/{key}"} {
		mux.HandleFunc("GET "+path, show)
		mux.HandleFunc("DELETE "+path, purge)
	}
	mux.HandleFunc("DELETE /proxy-cache", purgeAll)
	mux.HandleFunc("DELETE /proxy-cache/{$}", purgeAll)
	return mux
}

func notFound(w http.ResponseWriter) {
	answer(w, http.StatusNotFound, map[string]any{"message": "Not found"})
}

// purgeFailed says that Redis was not reached: this replica's memory is
// purged, Redis and the other replicas may not be.
func purgeFailed(w http.ResponseWriter, log *slog.Logger, err error) {
	id := uuid.NewString()
	log.Error("purge is not complete", "error_id", id, "error", err)
	answer(w, http.StatusBadGateway, map[string]any{"message": "purged in this replica only: Redis could not be reached", "error_id": id})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// describe is an entry as Kong shows one, with our times beside it. Bodies may
// be anyone's: only their length is shown.
func describe(e *cache.Entry) map[string]any {
	headers := map[string]string{}
	for _, f := range e.Header {
		headers[string(f.Name)] = string(f.Value)
	}
	d := map[string]any{"timestamp": e.Generated.Unix(), "keep_until": e.KeepUntil.Unix()}
	if e.Kind == cache.VaryNote {
		d["vary"] = e.Vary
		return d
	}
	d["status"], d["headers"], d["body_len"] = e.Status, headers, len(e.Body)
	d["ttl"] = int(e.FreshUntil.Sub(e.Generated).Seconds())
	return d
}
