package scenario

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Kinds of values, as a reader of a reference sees them.
const (
	kindMap      = "map"
	kindList     = "list"
	kindText     = "text"
	kindWhole    = "whole number"
	kindNumber   = "number"
	kindBool     = "true or false"
	kindDuration = "duration"
	kindBytes    = "memory"
	kindScalar   = "text or number"
	kindEntity   = "entity"

	kindObjectives = "objectives"
)

// Field describes a key of a scenario's file. It is made by the decoder itself: the code that checks a value says what it allows.
type Field struct {
	Key      string   // empty for an item of a list and for a value under a free key
	Path     string   // within a stage, as in workload.requests[].weight; .* is a free key
	Kind     string   // of its value
	Allowed  string   // in words, as in "1 to 9"
	Default  string   // empty: none, or nothing
	Meaning  string   // of a key: a sentence
	Required bool     // in the file, or in every item of the list that it belongs to
	Fields   []*Field // of a map whose keys are known, in the alphabet's order
	Each     *Field   // of a list or of a map with free keys

	least, most float64  // of numbers
	choices     []string // of texts
	pattern     string   // of texts
	required    []string // keys of an entity
}

// overlayPath begins the paths of keys that a stage has.
var overlayPath = regexp.MustCompile(`^(?:stages\[\]|profiles\.\*\.stages\.\*|profiles\.\*)\.`)

// Describe is the description of a file: a map without a key.
func Describe() *Field {
	root := &Field{}
	d := &decoder{partial: true, about: root}
	d.object("", &node{}, d.keys(&Scenario{}))
	for _, f := range root.Fields {
		f.Required = f.Key == "name"
	}
	return root
}

// describe fills in the description of the value at hand; false if values are decoded.
func (d *decoder) describe(f Field) bool {
	if d.about == nil {
		return false
	}
	f.Key, f.Path = d.about.Key, d.about.Path
	f.Meaning, f.Required = d.about.Meaning, d.about.Required
	*d.about = f
	return true
}

// describeMap describes a map by its keys.
func (d *decoder) describeMap(path string, f fields) {
	here := d.about
	d.describe(Field{Kind: kindMap})
	for _, key := range slices.Sorted(maps.Keys(f)) {
		one := &Field{Key: key, Path: overlayPath.ReplaceAllString(join(path, key), "")}
		one.Meaning = meaningOf(one.Path)
		here.Fields = append(here.Fields, one)
		d.about = one
		f[key](join(path, key), &node{})
	}
	d.about = here
}

// describeEach describes a list or a map with free keys by what all its values are.
func (d *decoder) describeEach(kind, path string, take target) {
	here := d.about
	d.describe(Field{Kind: kind})
	here.Each = &Field{Path: overlayPath.ReplaceAllString(path+".", "")}
	d.about = here.Each
	take(path, &node{})
	d.about = here
}

// describeRequired marks the keys that a map must have. Outside of lists they may be in another overlay.
func (d *decoder) describeRequired(keys []string) {
	for _, f := range d.about.Fields {
		f.Required = d.inList > 0 && slices.Contains(keys, f.Key)
	}
}

// described is the target of a map by stage that is decoded elsewhere.
func (d *decoder) described(take target) target {
	return func(path string, _ *node) {
		if d.about != nil {
			d.describeEach(kindMap, path+".*", take)
		}
	}
}

// shown is a default as text; what is zero is none.
func shown[V comparable](v V) string {
	var zero V
	if v == zero {
		return ""
	}
	return fmt.Sprint(v)
}
