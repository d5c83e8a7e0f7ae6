package entity

import "time"

// Record is one entity as a JSON object: strings, booleans, numbers (int64 for
// integers, float64 for numbers), []any, map[string]any, nil. A foreign key is
// {"id": "..."}.
type Record = map[string]any

// Kind is a field's type, in Kong's words.
type Kind string

// The kinds of a field.
const (
	String  Kind = "string"
	Integer Kind = "integer"
	Number  Kind = "number"
	Boolean Kind = "boolean"
	Array   Kind = "array"
	Set     Kind = "set"
	Map     Kind = "map"
	Rec     Kind = "record"
	Foreign Kind = "foreign"
)

// Field is one field of an entity or of a nested record. The zero value of
// each limit means that there is none.
type Field struct {
	Name      string
	Kind      Kind
	Default   any   // nil: none
	Required  bool  // must not be null once defaults are in
	OneOf     []any // allowed values
	Between   *[2]float64
	LenMin    int
	LenMax    int
	Match     string  // Kong's name of a check, see checks.go
	Elements  *Field  // of arrays, sets and maps' values
	Keys      *Field  // of maps
	Fields    []Field // of records
	Reference string  // schema a foreign field points at
	OnDelete  string  // "cascade" or "" (restrict)
	Unique    bool
	Auto      bool // made by the gateway when absent
	Immutable bool
	Hidden    bool     // accepted, but not described (deprecated spelling)
	Encrypted bool     // never shown in logs
	Means     []string // path of the field that this is another spelling of; nil: none

	Referenceable bool // may hold a reference (see ParseReference)

	// Only is set where the gateway does one thing: other values are refused.
	Only *Only

	// Exclusive are sets of values that cannot be mixed, of a set.
	Exclusive [][]any
}

// Only is the one value that a field can have.
type Only struct {
	Value any // nil: must be null
	Why   string
}

// ForeignKey is a reference to another schema.
type ForeignKey struct {
	Field    string
	Schema   string
	OnDelete string // "cascade" or "restrict"
	Required bool
}

// Schema describes one kind of entity.
type Schema struct {
	Name        string // "services"; its table in the database has this name too
	Path        string // of the collection in the Admin API; "": the name
	NestedPath  string // of the collection below an entity that it refers to; "": Path
	Singular    string // as in messages: "service"
	EndpointKey string // field that may stand for the id in a path; empty: none
	Fields      []Field
	Unique      [][]string // sets of fields that must be unique together
	Checks      []Check    // across fields
	Shorthand   func(Record) error
	Expires     bool         // has a ttl, and is gone when that has passed
	Transient   bool         // made for clients while the gateway runs: no configuration, so without revisions
	Millis      bool         // timestamps have a fraction (targets)
	Before      func(Record) // normalizes an entity before it is checked

	// Seal turns a whole entity, which has been checked, into the one that is
	// stored: passwords into hashes. sent is what the client has sent of it, old
	// what it replaces, nil where nothing is known of that. It returns messages by
	// field. nil: nothing to do.
	Seal func(old, sent, r Record) map[string]any

	plugins map[string]*PluginSchema // of the schema of plugins: config follows the plugin that name says
}

// CollectionPath is the name of the collection in paths of the Admin API.
func (s *Schema) CollectionPath() string {
	if s.Path != "" {
		return s.Path
	}
	return s.Name
}

// ChildPath is the name of the collection in paths below an entity that it
// refers to.
func (s *Schema) ChildPath() string {
	if s.NestedPath != "" {
		return s.NestedPath
	}
	return s.CollectionPath()
}

// Check is a rule across the fields of an entity; on a violation it returns
// messages by field, "@entity" for the whole.
type Check struct {
	Describe map[string]any // as /schemas shows it; nil: not shown
	Run      func(Record) map[string]any
}

// ForeignKeys are the schema's references, in field order.
func (s *Schema) ForeignKeys() []ForeignKey {
	var keys []ForeignKey
	for _, f := range s.Fields {
		if f.Kind == Foreign {
			del := f.OnDelete
			if del == "" {
				del = "restrict"
			}
			keys = append(keys, ForeignKey{Field: f.Name, Schema: f.Reference, OnDelete: del, Required: f.Required})
		}
	}
	return keys
}

// Field returns the field of that name.
func (s *Schema) Field(name string) (*Field, bool) { return field(s.Fields, name) }

func field(fields []Field, name string) (*Field, bool) {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i], true
		}
	}
	return nil, false
}

func (s *Schema) timestamp(now time.Time) any {
	if s.Millis {
		return float64(now.UnixMilli()) / 1000
	}
	return now.Unix()
}
