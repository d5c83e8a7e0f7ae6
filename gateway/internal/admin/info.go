package admin

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

// fixed returns the methods of the paths that belong to no collection.
func (a *api) fixed(parts []string) verbs {
	get := func(do func(w http.ResponseWriter, r *http.Request)) verbs { return verbs{"GET": do} }
	if len(parts) == 0 {
		return get(a.root)
	}
	switch parts[0] {
	case "status":
		if len(parts) == 1 {
			return get(a.status)
		}
	case "metrics":
		if len(parts) == 1 && a.config.Metrics != nil {
			return get(a.config.Metrics.ServeHTTP)
		}
	case "config":
		if len(parts) == 1 {
			return verbs{"POST": a.loadConfig}
		}
	case "revisions":
		if len(parts) == 1 {
			return get(a.revisions)
		}
	case "trials":
		return a.trials(parts[1:])
	case "plugins":
		if len(parts) == 2 && parts[1] == "enabled" {
			return get(func(w http.ResponseWriter, _ *http.Request) {
				a.answer(w, http.StatusOK, map[string]any{"enabled_plugins": a.config.Schemas.PluginNames()})
			})
		}
		if len(parts) == 3 && parts[1] == "schema" {
			return get(a.pluginSchema(parts[2]))
		}
	case "schemas":
		return a.schemas(parts[1:])
	case "endpoints":
		if len(parts) == 1 {
			return get(a.endpoints)
		}
	case "tags":
		switch len(parts) {
		case 1:
			return get(a.tagged(""))
		case 2:
			return get(a.tagged(parts[1]))
		}
	case "upstreams":
		if len(parts) == 4 && parts[2] == "targets" && parts[3] == "all" {
			s, _ := a.config.Schemas.ByName("targets")
			up, _ := a.config.Schemas.ByName("upstreams")
			return verbs{"GET": a.collection(s, scope{{up, parts[1], "upstream"}})["GET"]}
		}
		return a.healthVerbs(parts)
	}
	return nil
}

// root responds with what Kong's clients ask first: version and plugins.
func (a *api) root(w http.ResponseWriter, _ *http.Request) {
	available := map[string]any{}
	for _, name := range a.config.Schemas.PluginNames() {
		available[name] = true
	}
	a.answer(w, http.StatusOK, map[string]any{
		"version":  a.config.Version,
		"edition":  "community",
		"tagline":  "gatelab: an API gateway with Kong's Admin API",
		"hostname": a.config.Hostname,
		"node_id":  a.config.NodeID,
		"configuration": map[string]any{
			"database": a.database(), "router_flavor": "traditional", "role": "traditional",
			"admin_listen": []string{a.config.AdminListen}, "proxy_listen": []string{a.config.ProxyListen},
			"proxy_listeners": []any{map[string]any{"listener": a.config.ProxyListen, "ssl": false}},
		},
		"plugins": map[string]any{"available_on_server": available, "enabled_in_cluster": []string{}},
		"timers":  map[string]any{"pending": 0, "running": 0},
	})
}

func (a *api) status(w http.ResponseWriter, r *http.Request) {
	_, err := a.store.Revision(r.Context())
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	body := map[string]any{
		"database": map[string]any{"reachable": err == nil},
		"memory":   map[string]any{"heap_bytes": m.HeapAlloc, "sys_bytes": m.Sys},
		"uptime":   time.Since(a.began).Seconds(),
	}
	a.addDeclarative(body)
	a.config.Refusals.addTo(body, a.config.Now())
	a.answer(w, http.StatusOK, body)
}

// schemas is /schemas/{entity}, /schemas/{entity}/validate, and the same below
// /schemas/plugins.
func (a *api) schemas(parts []string) verbs {
	switch {
	case len(parts) == 2 && parts[1] == "validate":
		s, ok := a.config.Schemas.ByName(parts[0])
		if !ok {
			return nil
		}
		return verbs{"POST": a.validate(s)}
	case len(parts) == 2 && parts[0] == "plugins":
		return verbs{"GET": a.pluginSchema(parts[1])}
	case len(parts) == 1:
		s, ok := a.config.Schemas.ByName(parts[0])
		if parts[0] == "tags" {
			s, ok = entity.Tags(), true
		}
		if !ok {
			return verbs{"GET": func(w http.ResponseWriter, _ *http.Request) {
				a.answer(w, http.StatusNotFound, map[string]any{"message": "No entity named '" + parts[0] + "'"})
			}}
		}
		return verbs{"GET": func(w http.ResponseWriter, _ *http.Request) { a.answer(w, http.StatusOK, s.Describe()) }}
	}
	return nil
}

func (a *api) pluginSchema(name string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		p, ok := a.config.Schemas.Plugin(name)
		if !ok {
			a.noteMissing(name)
			a.answer(w, http.StatusNotFound, map[string]any{"message": "No plugin named '" + name + "'"})
			return
		}
		a.answer(w, http.StatusOK, p.Describe())
	}
}

func (a *api) validate(s *entity.Schema) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		in, ok := a.body(w, r, s)
		if !ok {
			return
		}
		err := a.names(r.Context(), s, in)
		if err == nil {
			_, err = s.ProcessInsert(in, a.config.Now(), "")
		}
		if err != nil {
			var known *entity.Error
			if errors.As(err, &known) && known.Status() < http.StatusInternalServerError {
				a.answer(w, http.StatusBadRequest, known)
				return
			}
			a.fail(w, err)
			return
		}
		a.answer(w, http.StatusOK, map[string]any{"message": "schema validation successful"})
	}
}
