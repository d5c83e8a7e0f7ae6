package declarative

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// File is a file whose structure was read. Complete makes its entities.
type File struct {
	Hash string // of what it says, whatever its layout

	catalog  *entity.Catalog
	items    []*item
	raw      bool // _transform: false: passwords are hashes
	problems Problems
}

// Read reads the structure of a file. The error is Problems where the file is no
// YAML or JSON object; other problems are returned by Complete, all together.
func Read(data []byte, c *entity.Catalog) (*File, error) {
	root, err := Decode(data)
	if err != nil {
		return nil, Problems{{Message: clip(err.Error())}}
	}
	return ReadObject(root, c), nil
}

// ReadObject is Read of what was decoded already: objects, lists, strings,
// booleans, numbers and nil.
func ReadObject(root map[string]any, c *entity.Catalog) *File {
	root, _ = plain(root).(map[string]any)
	f := &File{Hash: hashOf(root), catalog: c}
	r := &reader{catalog: c}
	f.header(root, r)
	r.root(root)
	if info, ok := root[keyInfo].(map[string]any); ok {
		r.info(info)
	}
	f.items, f.problems = r.items, r.problems
	return f
}

// header reads what is about the file.
func (f *File) header(root map[string]any, r *reader) {
	note := func(key, message string) {
		r.problems = append(r.problems, Problem{Field: key, Value: show(root[key]), Message: message})
	}
	if v, ok := root[keyVersion].(string); !ok || !slices.Contains(versions, v) {
		note(keyVersion, `want one of "1.1", "2.1", "3.0", in quotes`)
	}
	switch t := root[keyTransform].(type) {
	case nil:
	case bool:
		f.raw = !t
	default:
		note(keyTransform, "want true, or false where passwords are hashes")
	}
	if w, given := root[keyWorkspace]; given && w != "default" {
		note(keyWorkspace, "want default: there is one workspace")
	}
	r.shared, _ = root[keyShared].(map[string]any)
	for key := range root {
		switch key {
		case keyVersion, keyTransform, keyComment, keyIgnore, keyInfo, keyShared, keyWorkspace, "_konnect":
		default:
			if strings.HasPrefix(key, "_") {
				note(key, "unknown: want _format_version, _transform, _comment, _ignore, _info, _plugin_configs or _workspace")
			}
		}
	}
}

// useShared gives a plugin the configuration that decK's _config names, under
// its own.
func (r *reader) useShared(it *item) {
	name, given := it.record["_config"]
	if !given || it.schema.Name != "plugins" {
		return
	}
	delete(it.record, "_config")
	key, _ := name.(string)
	shared, ok := r.shared[key].(map[string]any)
	if !ok {
		r.problems = append(r.problems, it.problem("_config", name, "no such entry in _plugin_configs"))
		return
	}
	own, _ := it.record["config"].(map[string]any)
	it.record["config"] = over(shared, own)
}

// over puts own values over base, deeply.
func over(base, own map[string]any) map[string]any {
	out := make(map[string]any, len(base)+len(own))
	for k, v := range base {
		out[k] = v
	}
	for k, v := range own {
		a, isMap := out[k].(map[string]any)
		if b, both := v.(map[string]any); isMap && both {
			v = over(a, b)
		}
		out[k] = v
	}
	return out
}

// info applies decK's _info: tags for all entities, and defaults by kind.
func (r *reader) info(info map[string]any) {
	tags, _ := info["select_tags"].([]any)
	defaults, _ := info["defaults"].(map[string]any)
	for kind := range defaults {
		if _, ok := r.singular(kind); !ok && defaults[kind] != nil {
			r.problems = append(r.problems, Problem{Field: keyInfo + ".defaults." + kind, Message: "unknown entity: want service, route, " +
				"upstream or target", Value: show(defaults[kind])})
		}
	}
	for _, it := range r.items {
		if d, ok := defaults[it.schema.Singular].(map[string]any); ok {
			it.record = over(d, it.record)
		}
		if _, ok := it.schema.Field("tags"); !ok || len(tags) == 0 {
			continue
		}
		have, isList := it.record["tags"].([]any)
		if it.record["tags"] != nil && !isList {
			continue // the schema has a message for it
		}
		for _, t := range tags {
			if !slices.Contains(have, t) {
				have = append(slices.Clone(have), t)
			}
		}
		it.record["tags"] = have
	}
}

func (r *reader) singular(name string) (*entity.Schema, bool) {
	for _, s := range r.catalog.Schemas() {
		if s.Singular == name {
			return s, true
		}
	}
	return nil, false
}

// String is for logs.
func (f *File) String() string { return fmt.Sprintf("%d entities, hash %s", len(f.items), f.Hash) }
