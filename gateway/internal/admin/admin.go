// Package admin is Kong's Admin API over a store.
package admin

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/dbless"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// Store keeps the entities.
type Store interface {
	List(ctx context.Context, s *entity.Schema, q store.Query) ([]entity.Record, int64, error)
	Select(ctx context.Context, s *entity.Schema, key string, foreign map[string]string) (entity.Record, error)
	Insert(ctx context.Context, s *entity.Schema, r entity.Record, actor string) error
	Modify(
		ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string, change store.Change,
	) (entity.Record, bool, error)
	Delete(ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string) error
	Revisions(ctx context.Context, before int64, size int) ([]store.Revision, error)
	Revision(ctx context.Context) (int64, error)
}

// Config describes the process that the API belongs to.
type Config struct {
	Schemas      *entity.Catalog // all entities that there are; nil is entity.Core()
	Version      string          // of Kong's Admin API, in GET /
	NodeID       string
	Hostname     string
	ProxyListen  string
	AdminListen  string
	MaxBodyBytes int64 // 0 is 1 MiB
	Metrics      http.Handler
	// Targets are the health of upstreams' targets; nil: there are no endpoints for
	// it.
	Targets *Targets
	// DBLess is the configuration without a database, which the API does not change
	// but as a whole; nil: there is a database.
	DBLess *dbless.Store
	// Trials are trials of configurations; nil: there is no database.
	Trials TrialStore
	// Refusals are the plugins that were refused; nil: they are not kept.
	Refusals *Refusals
	Now      func() time.Time // nil is time.Now
}

// api is the handler.
type api struct {
	config Config
	store  Store
	log    *slog.Logger
	began  time.Time
	loads  loads
}

// New returns the handler of the Admin API.
func New(c Config, s Store, log *slog.Logger) http.Handler {
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 1 << 20
	}
	if c.Schemas == nil {
		c.Schemas = entity.Core()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &api{config: c, store: s, log: log, began: c.Now(), loads: newLoads()}
}

// verbs are the methods of one path.
type verbs map[string]func(w http.ResponseWriter, r *http.Request)

// ServeHTTP finds the path's methods. The paths follow from the schemas, so there is
// no table of routes.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.EscapedPath(), "/")
	var parts []string
	if path != "" {
		parts = strings.Split(path, "/")
	}
	for i, p := range parts {
		parts[i] = unescape(p)
	}
	v := a.verbs(parts)
	if v == nil {
		a.notFound(w)
		return
	}
	do, ok := v[r.Method]
	switch {
	case ok:
	case r.Method == http.MethodHead && v[http.MethodGet] != nil:
		do = v[http.MethodGet]
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", v.allow())
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", v.allow())
		a.answer(w, http.StatusMethodNotAllowed, map[string]any{"message": "Method not allowed"})
		return
	}
	limit := a.config.MaxBodyBytes
	if len(parts) == 1 && (parts[0] == "config" || parts[0] == "trials") {
		limit = max(limit, maxConfigBytes)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	do(w, r)
}

func (v verbs) allow() string {
	var names []string
	for _, m := range []string{"DELETE", "GET", "PATCH", "POST", "PUT"} {
		if v[m] == nil {
			continue
		}
		names = append(names, m)
		if m == "GET" {
			names = append(names, "HEAD")
		}
	}
	return strings.Join(append(names, "OPTIONS"), ", ")
}

// verbs returns the methods of a path, nil where there is none.
func (a *api) verbs(parts []string) verbs {
	if v := a.fixed(parts); v != nil {
		return v
	}
	if len(parts) == 0 {
		return nil
	}
	s, ok := a.config.Schemas.ByPath(parts[0])
	if !ok {
		return nil
	}
	scope := scope{}
	for {
		switch {
		case len(parts) == 1:
			return a.unchanging(s, a.collection(s, scope))
		case len(parts) == 2:
			return a.unchanging(s, a.item(s, parts[1], scope))
		}
		// /parents/x/children or /children/x/parent
		if parent, fk, isParent := a.parentOf(s, parts[2]); isParent && len(parts) == 3 {
			return a.unchanging(parent, a.parent(s, parts[1], fk, parent))
		}
		child, fk, isChild := a.childOf(s, parts[2])
		if !isChild {
			return nil
		}
		scope = append(scope, within{parent: s, key: parts[1], field: fk})
		s, parts = child, parts[2:]
	}
}

// childOf finds the collection of that name that refers to s.
func (a *api) childOf(s *entity.Schema, name string) (child *entity.Schema, field string, ok bool) {
	child, ok = a.config.Schemas.ByPath(name)
	if !ok {
		return nil, "", false
	}
	for _, fk := range child.ForeignKeys() {
		if fk.Schema == s.Name {
			return child, fk.Field, true
		}
	}
	return nil, "", false
}

// parentOf finds the entity that the field of s of that name refers to.
func (a *api) parentOf(s *entity.Schema, name string) (parent *entity.Schema, field string, ok bool) {
	for _, fk := range s.ForeignKeys() {
		if fk.Field == name {
			parent, ok = a.config.Schemas.ByName(fk.Schema)
			return parent, fk.Field, ok
		}
	}
	return nil, "", false
}
