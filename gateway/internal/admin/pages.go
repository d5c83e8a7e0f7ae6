package admin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// sizeOf returns how many entries the client wants on a page. ok is false when it
// has responded with an error.
func (a *api) sizeOf(w http.ResponseWriter, r *http.Request) (size int, ok bool) {
	text := r.URL.Query().Get("size")
	if text == "" {
		return 100, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		a.fail(w, &entity.Error{Code: entity.CodeSchema, Name: "invalid size", Message: "size must be an integer between 1 and 1000"})
		return 0, false
	}
	return n, true
}

// offsetOf reads where the page begins: as many numbers as there are in into, which
// stay as they are on the first page.
func (a *api) offsetOf(w http.ResponseWriter, r *http.Request, into ...*int64) (ok bool) {
	text := r.URL.Query().Get("offset")
	if text == "" {
		return true
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(raw), ".")
	good := err == nil && len(parts) == len(into)
	for i := 0; good && i < len(into); i++ {
		n, err := strconv.ParseInt(parts[i], 10, 64)
		if good = err == nil && n >= 0; good {
			*into[i] = n
		}
	}
	if !good {
		a.fail(w, &entity.Error{Code: entity.CodeOffset, Name: "invalid offset",
			Message: "invalid offset: '" + text + "' is not one that a list answered"})
	}
	return good
}

// page responds with a page of a list. next is where the next page begins; none:
// this is the last.
func (a *api) page(w http.ResponseWriter, r *http.Request, data any, next ...int64) {
	a.answer(w, http.StatusOK, pageOf(r, data, next))
}

// nodePage is page for what is true of this process only.
func (a *api) nodePage(w http.ResponseWriter, r *http.Request, data any, next ...int64) {
	page := pageOf(r, data, next)
	page["node_id"] = a.config.NodeID
	a.answer(w, http.StatusOK, page)
}

func pageOf(r *http.Request, data any, next []int64) map[string]any {
	page := map[string]any{"data": data, "next": nil}
	if len(next) > 0 {
		parts := make([]string, len(next))
		for i, n := range next {
			parts[i] = strconv.FormatInt(n, 10)
		}
		offset := base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, ".")))
		args := r.URL.Query()
		args.Set("offset", offset)
		page["offset"] = offset
		page["next"] = r.URL.Path + "?" + args.Encode()
	}
	return page
}

// list responds with a page of entities: {data, next, offset}.
func (a *api) list(w http.ResponseWriter, r *http.Request, s *entity.Schema, foreign map[string]string) {
	size, ok := a.sizeOf(w, r)
	q := store.Query{Foreign: foreign, Size: size}
	if !ok || !a.offsetOf(w, r, &q.After) {
		return
	}
	args := r.URL.Query()
	if text := args.Get("tags"); text != "" {
		and, or := strings.Split(text, ","), strings.Split(text, "/")
		if len(and) > 1 && len(or) > 1 {
			a.fail(w, entity.SchemaError(map[string]any{"tags": "invalid filter syntax: use ',' for AND or '/' for OR, not both"}))
			return
		}
		q.Tags = and
		if len(or) > 1 {
			q.Tags, q.AnyTag = or, true
		}
	}
	if s.Name == "consumers" && args.Get("custom_id") != "" {
		q.Equal = map[string]string{"custom_id": args.Get("custom_id")}
	}
	data, next, err := a.store.List(r.Context(), s, q)
	if err != nil {
		a.fail(w, err)
		return
	}
	if data == nil {
		data = []entity.Record{}
	}
	if next != 0 {
		a.page(w, r, data, next)
		return
	}
	a.page(w, r, data)
}

// revisions lists changes, the newest first. Their secrets are not shown: they
// outlive the entity.
func (a *api) revisions(w http.ResponseWriter, r *http.Request) {
	size, ok := a.sizeOf(w, r)
	if !ok {
		return
	}
	before := int64(0)
	if text := r.URL.Query().Get("before"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			a.fail(w, entity.SchemaError(map[string]any{"before": "expected the id of a revision"}))
			return
		}
		before = n
	}
	if !a.offsetOf(w, r, &before) {
		return
	}
	list, err := a.store.Revisions(r.Context(), before, size)
	if err != nil {
		a.fail(w, err)
		return
	}
	if list == nil {
		list = []store.Revision{}
	}
	for i := range list {
		if s, ok := a.config.Schemas.ByName(list[i].Entity); ok {
			list[i].Before, list[i].After = s.Redact(list[i].Before), s.Redact(list[i].After)
		}
	}
	if n := len(list); n == size && list[n-1].ID > 1 {
		a.page(w, r, list, list[n-1].ID)
		return
	}
	a.page(w, r, list)
}

// tagged lists the entities of all collections that have a tag; "" is any tag.
func (a *api) tagged(tag string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		size, ok := a.sizeOf(w, r)
		var at, after int64 // the collection, and the position in it
		if !ok || !a.offsetOf(w, r, &at, &after) {
			return
		}
		data := []any{}
		schemas := a.config.Schemas.Schemas()
		for left := size; at < int64(len(schemas)); at, after = at+1, 0 {
			s := schemas[at]
			q := store.Query{Size: left, After: after, Tagged: tag == ""}
			if tag != "" {
				q.Tags = []string{tag}
			}
			list, next, err := a.store.List(r.Context(), s, q)
			if err != nil {
				a.fail(w, err)
				return
			}
			for _, rec := range list {
				data = append(data, tagRows(s, rec, tag)...)
			}
			if next != 0 {
				a.page(w, r, data, at, next)
				return
			}
			if left -= len(list); left < 1 && at+1 < int64(len(schemas)) {
				a.page(w, r, data, at+1, 0)
				return
			}
		}
		a.page(w, r, data)
	}
}

// tagRows returns a row per tag of an entity, or one for the requested tag.
func tagRows(s *entity.Schema, rec entity.Record, only string) []any {
	var rows []any
	tags, _ := rec["tags"].([]any)
	for _, t := range tags {
		if only == "" || t == only {
			rows = append(rows, map[string]any{"entity_name": s.Name, "entity_id": rec["id"], "tag": t})
		}
	}
	return rows
}

// endpoints lists the paths of the API.
func (a *api) endpoints(w http.ResponseWriter, _ *http.Request) {
	list := []string{"/", "/config", "/endpoints", "/metrics", "/plugins/enabled", "/plugins/schema/{name}", "/revisions",
		"/schemas/{name}", "/schemas/{name}/validate", "/schemas/plugins/{name}", "/status", "/tags", "/tags/{tags}",
		"/trials", "/trials/{trials}", "/trials/{trials}/promote", "/upstreams/{upstreams}/health", "/upstreams/{upstreams}/targets/all",
		"/upstreams/{upstreams}/targets/{targets}/healthy", "/upstreams/{upstreams}/targets/{targets}/unhealthy"}
	for _, s := range a.config.Schemas.Schemas() {
		name := s.CollectionPath()
		list = append(list, "/"+name, fmt.Sprintf("/%s/{%s}", name, name))
		for _, fk := range s.ForeignKeys() {
			child := s.ChildPath()
			below := fmt.Sprintf("/%s/{%s}/%s", fk.Schema, fk.Schema, child)
			list = append(list, below, fmt.Sprintf("%s/{%s}", below, child), fmt.Sprintf("/%s/{%s}/%s", name, name, fk.Field))
		}
	}
	a.answer(w, http.StatusOK, map[string]any{"data": list, "next": nil})
}
