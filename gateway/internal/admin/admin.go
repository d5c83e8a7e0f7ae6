// Package admin is Kong's Admin API over a store.
package admin

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/store"
)

// Store is where entities rest.
type Store interface {
	List(ctx context.Context, s *entity.Schema, q store.Query) ([]entity.Record, int64, error)
	Select(ctx context.Context, s *entity.Schema, key string, foreign map[string]string) (entity.Record, error)
	Insert(ctx context.Context, s *entity.Schema, r entity.Record, actor string) error
	Modify(ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string, change store.Change) (entity.Record, bool, error)
	Delete(ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string) error
	Revisions(ctx context.Context, before int64, size int) ([]store.Revision, error)
	Revision(ctx context.Context) (int64, error)
}

// Config is what the API says of its process.
type Config struct {
	Version      string // as GET / answers it; 3.4-compatible
	NodeID       string
	Hostname     string
	ProxyListen  string
	AdminListen  string
	MaxBodyBytes int64 // 0 is 1 MiB
	Metrics      http.Handler
	// Standings are how the targets of an upstream (an id) stand in this
	// process, by host:port; nil: nobody watches them.
	Standings func(upstream string) map[string]Standing
	// SetHealth sets a target's health by hand, in every replica.
	SetHealth func(ctx context.Context, upstream, target string, healthy bool) error
	Now       func() time.Time // nil is time.Now
}

// api is the handler.
type api struct {
	config Config
	store  Store
	log    *slog.Logger
	began  time.Time
}

// New makes the handler.
func New(c Config, s Store, log *slog.Logger) http.Handler {
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 1 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &api{config: c, store: s, log: log, began: c.Now()}
}

// verbs are the methods of one path.
type verbs map[string]func(w http.ResponseWriter, r *http.Request)

// ServeHTTP finds the path's verbs. Kong's paths are too regular for a table
// of routes: they follow from the schemas.
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
	r.Body = http.MaxBytesReader(w, r.Body, a.config.MaxBodyBytes)
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

// verbs answers what a path is.
func (a *api) verbs(parts []string) verbs {
	if v := a.fixed(parts); v != nil {
		return v
	}
	if len(parts) == 0 {
		return nil
	}
	s, ok := collection(parts[0])
	if !ok {
		return nil
	}
	scope := scope{}
	for {
		switch {
		case len(parts) == 1:
			return a.collection(s, scope)
		case len(parts) == 2:
			return a.item(s, parts[1], scope)
		}
		// /parents/x/children or /children/x/parent
		if parent, fk, isParent := parentOf(s, parts[2]); isParent && len(parts) == 3 {
			return a.parent(s, parts[1], fk, parent)
		}
		child, fk, isChild := childOf(s, parts[2])
		if !isChild {
			return nil
		}
		scope = append(scope, within{parent: s, key: parts[1], field: fk})
		s, parts = child, parts[2:]
	}
}

// names under which collections appear in paths, where they differ.
var aliases = map[string]string{"key-auths": "keyauth_credentials", "key-auth": "keyauth_credentials"}

func collection(name string) (*entity.Schema, bool) {
	if real, ok := aliases[name]; ok {
		name = real
	} else if name == "keyauth_credentials" {
		return nil, false
	}
	return entity.ByName(name)
}

// childOf finds the collection of that name that refers to s.
func childOf(s *entity.Schema, name string) (child *entity.Schema, field string, ok bool) {
	child, ok = collection(name)
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
func parentOf(s *entity.Schema, name string) (parent *entity.Schema, field string, ok bool) {
	for _, fk := range s.ForeignKeys() {
		if fk.Field == name {
			parent, ok = entity.ByName(fk.Schema)
			return parent, fk.Field, ok
		}
	}
	return nil, "", false
}
