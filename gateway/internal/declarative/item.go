package declarative

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// item is one entity of a file.
type item struct {
	schema *entity.Schema
	path   string
	record entity.Record    // as in the file, without the entities nested in it
	within map[string]*item // foreign field -> the entity that it is nested in
	id     string           // once it is known
	broken bool             // has a problem: what refers to it has none for that reason
}

// key is the value of the field that may stand for the id, "" for none.
func (it *item) key() string {
	if it.schema.EndpointKey == "" {
		return ""
	}
	k, _ := it.record[it.schema.EndpointKey].(string)
	return k
}

// describe names the entity in messages. A credential is not named by its key.
func (it *item) describe() string {
	for _, name := range []string{"name", "username", "custom_id", "target", "group", "id"} {
		f, ok := it.schema.Field(name)
		if v, is := it.record[name].(string); ok && is && v != "" && !f.Encrypted {
			return fmt.Sprintf("%s %q", it.schema.Singular, v)
		}
	}
	return it.schema.Singular
}

func (it *item) problem(field string, value any, message string) Problem {
	it.broken = true
	return Problem{Path: it.path, Entity: it.describe(), Field: field, Value: show(value), Message: message}
}

// unsupported are the kinds of entities that Kong or decK know and the gateway
// does not have, with what there is instead.
var unsupported = map[string]string{
	"vaults":                                "references {vault://env/NAME} work without a vault entity",
	"filter_chains":                         "WebAssembly filters are not run",
	"consumer_groups":                       "use the plugin acl, or a plugin for each consumer",
	"consumer_group_consumers":              "use the plugin acl, or a plugin for each consumer",
	"consumer_group_plugins":                "use a plugin for each consumer",
	"oauth2_authorization_codes":            "the plugin oauth2 has no grant with codes",
	"mtls_auth_credentials":                 "give the consumer this name: mtls-auth compares username and custom_id with the certificate",
	"sessions":                              "the plugin session is not there",
	"acme_storage":                          "the plugin acme is not there",
	"degraphql_routes":                      "the plugin degraphql is not there",
	"graphql_ratelimiting_cost_decorations": "the plugin graphql-rate-limiting-advanced is not there",
	"workspaces":                            "there is one workspace",
	"rbac_roles":                            "tokens of the Admin API have roles: see admin_tokens_file",
	"rbac_users":                            "tokens of the Admin API have roles: see admin_tokens_file",
	"rbac_role_endpoints":                   "tokens of the Admin API have roles: see admin_tokens_file",
	"licenses":                              "none is needed",
	"partials":                              "write the fields in each plugin",
	"custom_entities":                       "entities of plugins that the gateway does not have",
	"parameters":                            "parameters of Kong's cluster mean nothing here",
	"tags":                                  "tags are written in the entities",
	"groups":                                "use acls",
	"service_versions":                      "services have no versions",
	"documents":                             "documents of services are not kept",
}

// reader collects the entities of a file.
type reader struct {
	catalog  *entity.Catalog
	shared   map[string]any // decK's _plugin_configs
	items    []*item
	problems Problems
	unknowns int // entities that neither Kong nor the gateway knows
}

// names are those of the kinds of entities.
func (r *reader) names() []string {
	names := make([]string, 0, 16)
	for _, s := range r.catalog.Schemas() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// root reads the lists of the file.
func (r *reader) root(root map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(root)) {
		if name[:min(1, len(name))] == "_" {
			continue // see header
		}
		s, ok := r.catalog.ByName(name)
		if !ok {
			r.unknown("", "", name, root[name])
			continue
		}
		r.list(s, name, root[name], nil)
	}
}

// unknown notes a list of what the gateway does not have. An empty one is fine.
func (r *reader) unknown(path, of, name string, v any) {
	if list, ok := v.([]any); (ok && len(list) == 0) || v == nil {
		return
	}
	p := Problem{Path: path, Entity: of, Field: name}
	if why, known := unsupported[name]; known {
		p.Message, p.Unsupported = "not supported: "+why, true
		if list, ok := v.([]any); ok {
			p.Message = fmt.Sprintf("%d %s are not supported: %s", len(list), name, why)
		}
	} else {
		p.Message = "unknown entity"
		if r.unknowns++; r.unknowns <= 10 { // a file of nothing else would have a long answer
			p.Message += fmt.Sprintf(": want one of %v", r.names())
		}
	}
	r.problems = append(r.problems, p)
}

// list reads a list of entities of one kind. parent is what they are nested in.
func (r *reader) list(s *entity.Schema, path string, v any, parent *item) {
	if v == nil {
		return
	}
	list, ok := v.([]any)
	if !ok {
		r.problems = append(r.problems, Problem{Path: path, Value: showOf(s, v), Message: "want a list of " + s.Name})
		return
	}
	for i, e := range list {
		if len(r.problems) >= MaxProblems {
			return // the file is refused anyway
		}
		at := path + "[" + strconv.Itoa(i) + "]"
		if name, isText := e.(string); isText && s.Name == "snis" {
			e = map[string]any{"name": name} // as in the Admin API
		}
		m, ok := e.(map[string]any)
		if !ok {
			r.problems = append(r.problems, Problem{Path: at, Value: showOf(s, e), Message: "want an object with the fields of a " + s.Singular})
			continue
		}
		r.one(s, at, m, parent)
	}
}

// one reads an entity and what is nested in it.
func (r *reader) one(s *entity.Schema, path string, m map[string]any, parent *item) {
	it := &item{schema: s, path: path, record: entity.Record{}, within: map[string]*item{}}
	r.items = append(r.items, it)
	var nested []string
	for name, v := range m {
		child, isEntity := r.catalog.ByName(name)
		_, isField := s.Field(name)
		switch {
		case name == keyComment || name == keyIgnore:
		case isEntity && refersTo(child, s) != "":
			nested = append(nested, name)
		case !isField && unsupported[name] != "":
			nested = append(nested, name)
		default:
			it.record[name] = v
		}
	}
	if parent != nil {
		field := refersTo(s, parent.schema)
		if it.record[field] != nil {
			r.problems = append(r.problems, it.problem(field, it.record[field], "want none: the entity is nested in "+parent.describe()))
		}
		it.within[field] = parent
	}
	r.useShared(it)
	slices.Sort(nested)
	for _, name := range nested {
		if child, ok := r.catalog.ByName(name); ok {
			r.list(child, path+"."+name, m[name], it)
			continue
		}
		r.unknown(path, it.describe(), name, m[name])
	}
}

// refersTo returns the field by which entities of s refer to those of parent, ""
// for none.
func refersTo(s, parent *entity.Schema) string {
	for _, fk := range s.ForeignKeys() {
		if fk.Schema == parent.Name {
			return fk.Field
		}
	}
	return ""
}
