package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// within is an entity that a path lies below: /services/x/routes.
type within struct {
	parent *entity.Schema
	key    string
	field  string // of the child, which refers to the parent
}

type scope []within

// resolve turns the scope into foreign keys. It returns false when it has responded
// with an error: an entity of the scope is missing.
func (a *api) resolve(w http.ResponseWriter, r *http.Request, sc scope) (map[string]string, bool) {
	foreign := map[string]string{}
	for _, in := range sc {
		rec, err := a.store.Select(r.Context(), in.parent, in.key, foreign)
		if err != nil {
			a.fail(w, err)
			return nil, false
		}
		if rec == nil {
			a.notFound(w)
			return nil, false
		}
		id, _ := rec["id"].(string)
		foreign = map[string]string{in.field: id}
	}
	return foreign, true
}

// collection returns the methods of /services and /services/x/routes.
func (a *api) collection(s *entity.Schema, sc scope) verbs {
	return verbs{
		"GET": func(w http.ResponseWriter, r *http.Request) {
			if foreign, ok := a.resolve(w, r, sc); ok {
				a.list(w, r, s, foreign)
			}
		},
		"POST": func(w http.ResponseWriter, r *http.Request) {
			foreign, ok := a.resolve(w, r, sc)
			if !ok {
				return
			}
			in, ok := a.body(w, r, s)
			if !ok {
				return
			}
			setForeign(in, foreign)
			rec, err := a.insert(r, s, in)
			a.noteWrite(r.Context(), s, in, rec, err)
			if err != nil {
				a.fail(w, err)
				return
			}
			a.answer(w, http.StatusCreated, rec)
		},
	}
}

func setForeign(in entity.Record, foreign map[string]string) {
	for field, id := range foreign {
		in[field] = map[string]any{"id": id}
	}
}

func (a *api) insert(r *http.Request, s *entity.Schema, in entity.Record) (entity.Record, error) {
	if err := a.names(r.Context(), s, in); err != nil {
		return nil, err
	}
	rec, err := s.ProcessInsert(in, a.config.Now(), "")
	if err != nil {
		return nil, err
	}
	if err := a.store.Insert(r.Context(), s, rec, actor(r)); err != nil || !s.Expires || rec["ttl"] == nil {
		return rec, err
	}
	// As in Kong, the answer has what is left of the ttl. A credential that is gone already is answered as it was.
	id, _ := rec["id"].(string)
	if stored, err := a.store.Select(r.Context(), s, id, nil); err == nil && stored != nil {
		return stored, nil
	}
	return rec, nil
}

// names turns references by name ({"service":{"name":"x"}}) into ids.
func (a *api) names(ctx context.Context, s *entity.Schema, in entity.Record) error {
	for _, fk := range s.ForeignKeys() {
		ref, ok := in[fk.Field].(map[string]any)
		if !ok || ref["id"] != nil {
			continue
		}
		parent, ok := a.config.Schemas.ByName(fk.Schema)
		if !ok {
			continue
		}
		key, ok := ref[parent.EndpointKey].(string)
		if !ok {
			continue
		}
		rec, err := a.store.Select(ctx, parent, key, nil)
		if err != nil {
			return err
		}
		if rec == nil {
			const text = "the foreign key '{%s=%q}' does not reference an existing '%s' entity."
			return &entity.Error{Code: entity.CodeForeignKey, Name: "foreign key violation",
				Message: fmt.Sprintf(text, parent.EndpointKey, key, parent.Name), Fields: map[string]any{fk.Field: ref}}
		}
		in[fk.Field] = map[string]any{"id": rec["id"]}
	}
	return nil
}

// item returns the methods of /services/x and /consumers/x/key-auth/y.
func (a *api) item(s *entity.Schema, key string, sc scope) verbs {
	if isID(key) {
		key = strings.ToLower(key) // as it is stored
	}
	v := verbs{
		"GET": func(w http.ResponseWriter, r *http.Request) {
			foreign, ok := a.resolve(w, r, sc)
			if !ok {
				return
			}
			rec, err := a.store.Select(r.Context(), s, key, foreign)
			if err != nil {
				a.fail(w, err)
				return
			}
			if rec == nil {
				a.notFound(w)
				return
			}
			a.answer(w, http.StatusOK, rec)
		},
		"PATCH": func(w http.ResponseWriter, r *http.Request) { a.change(w, r, s, key, sc, a.patched(r, s)) },
		"PUT":   func(w http.ResponseWriter, r *http.Request) { a.change(w, r, s, key, sc, a.replaced(s, key)) },
		"DELETE": func(w http.ResponseWriter, r *http.Request) {
			foreign, ok := a.resolve(w, r, sc)
			if !ok {
				return
			}
			if err := a.store.Delete(r.Context(), s, key, foreign, actor(r)); err != nil {
				a.fail(w, err)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		},
	}
	return v
}

// maker makes the entity to be stored from the stored one (nil: none) and what the
// client sent.
type maker func(old, in entity.Record) (entity.Record, error)

// errAbsent becomes a plain 404.
var errAbsent = &entity.Error{Code: entity.CodeNotFound, Name: "not found", Message: "Not found"}

func (a *api) patched(_ *http.Request, s *entity.Schema) maker {
	return func(old, in entity.Record) (entity.Record, error) {
		if old == nil {
			return nil, errAbsent
		}
		return s.ProcessUpdate(old, in, a.config.Now())
	}
}

func (a *api) replaced(s *entity.Schema, key string) maker {
	return func(old, in entity.Record) (entity.Record, error) {
		id := ""
		switch {
		case isID(key):
			id = key
		case s.EndpointKey == "":
			// No field stores the key: each PUT would create another entity.
			return nil, &entity.Error{Code: entity.CodePrimaryKey, Name: "invalid primary key",
				Message: fmt.Sprintf("invalid primary key: '{id=%q}'", key), Fields: map[string]any{"id": "expected a valid UUID"}}
		default:
			in[s.EndpointKey] = key
		}
		if old == nil && s.Name == "targets" {
			return nil, errAbsent
		}
		if old != nil {
			id, _ = old["id"].(string)
			if in["created_at"] == nil {
				in["created_at"] = old["created_at"]
			}
			if s.Name == "plugins" && old["name"] == in["name"] {
				keepGenerated(s, old, in)
			}
		}
		return s.ProcessUpsert(id, in, a.config.Now())
	}
}

// keepGenerated keeps what the gateway generated in a plugin's configuration, such as
// the namespace of its counters: a PUT without it must not start anew.
func keepGenerated(s *entity.Schema, old, in entity.Record) {
	had, _ := old["config"].(map[string]any)
	config, _ := in["config"].(map[string]any)
	for _, f := range s.FieldsOf(old) {
		if f.Name != "config" {
			continue
		}
		for i := range f.Fields {
			name := f.Fields[i].Name
			if !f.Fields[i].Auto || had[name] == nil || config[name] != nil {
				continue
			}
			if config == nil {
				config = map[string]any{}
				in["config"] = config
			}
			config[name] = had[name]
		}
	}
}

func (a *api) change(w http.ResponseWriter, r *http.Request, s *entity.Schema, key string, sc scope, do maker) {
	foreign, ok := a.resolve(w, r, sc)
	if !ok {
		return
	}
	in, ok := a.patch(w, r, s, func() (string, error) {
		old, err := a.store.Select(r.Context(), s, key, foreign)
		name, _ := old["name"].(string)
		return name, err
	})
	if !ok {
		return
	}
	setForeign(in, foreign)
	if err := a.names(r.Context(), s, in); err != nil {
		a.noteWrite(r.Context(), s, in, nil, err)
		a.fail(w, err)
		return
	}
	change := func(old entity.Record) (entity.Record, error) { return do(old, in) }
	rec, _, err := a.store.Modify(r.Context(), s, key, foreign, actor(r), change)
	a.noteWrite(r.Context(), s, in, rec, err)
	if err != nil {
		a.fail(w, err)
		return
	}
	a.answer(w, http.StatusOK, rec)
}

// parent returns the methods of /routes/x/service: the entity that a field refers
// to.
func (a *api) parent(s *entity.Schema, key, field string, parent *entity.Schema) verbs {
	find := func(w http.ResponseWriter, r *http.Request) (string, bool) {
		rec, err := a.store.Select(r.Context(), s, key, nil)
		if err != nil {
			a.fail(w, err)
			return "", false
		}
		ref, _ := rec[field].(map[string]any)
		id, _ := ref["id"].(string)
		if id == "" {
			a.notFound(w)
			return "", false
		}
		return id, true
	}
	v := verbs{}
	for _, method := range []string{"GET", "PATCH", "PUT"} {
		v[method] = func(w http.ResponseWriter, r *http.Request) {
			if id, ok := find(w, r); ok {
				a.item(parent, id, nil)[method](w, r)
			}
		}
	}
	return v
}

func isID(key string) bool {
	_, err := uuid.Parse(key)
	return err == nil && len(key) == 36
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}
