package policy

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/gatelab/gatelab/internal/suggest"
)

// document is a file of policies as it was written, for the places of mistakes.
type document struct {
	file     string
	root     ast.Node
	mistakes Mistakes
}

// Mistakes are all that is wrong in a file, one a line: "file:line:column: path: what is wrong, and what is allowed".
type Mistakes []string

// mostMistakes keeps a file that is something else from filling the screen.
const mostMistakes = 10

func (m Mistakes) Error() string {
	if len(m) > mostMistakes {
		return strings.Join(append(slices.Clone(m[:mostMistakes]), fmt.Sprintf("and %d more", len(m)-mostMistakes)), "\n")
	}
	return strings.Join(m, "\n")
}

// IsSet says whether a file is one of policies: a comparison, and no scenario.
func IsSet(b []byte) bool {
	var top struct {
		Policies any `yaml:"policies"`
	}
	return yaml.Unmarshal(b, &top) == nil && top.Policies != nil
}

// open reads a file's structure.
func open(file string, b []byte) (*document, error) {
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	d := &document{file: file}
	for _, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if d.root != nil {
			return nil, fmt.Errorf("%s: want one YAML document", file)
		}
		d.root = doc.Body
	}
	if d.root == nil {
		return nil, fmt.Errorf("%s: the file is empty", file)
	}
	return d, nil
}

// wrong notes a mistake at a node.
func (d *document) wrong(n ast.Node, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	at := n.GetToken().Position
	d.mistakes = append(d.mistakes, fmt.Sprintf("%s:%d:%d: %s", d.file, at.Line, at.Column, text))
}

// check compares the file with the type that it is decoded into: fields that are not known, and values of another kind.
func (d *document) check(n ast.Node, t reflect.Type, path string) {
	switch x := n.(type) {
	case *ast.AnchorNode:
		n = x.Value
	case *ast.TagNode, *ast.AliasNode, *ast.NullNode: // the decoder's affair
		return
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		d.scalar(n, t, path, "a duration, as in 250ms or 1m30s")
	case t.Kind() == reflect.Struct:
		d.object(n, t, path)
	case t.Kind() == reflect.Slice:
		items, ok := n.(*ast.SequenceNode)
		if !ok {
			d.wrong(n, path, "%s is not allowed: want a list", written(n))
			return
		}
		for i, item := range items.Values {
			d.check(item, t.Elem(), path+"["+strconv.Itoa(i)+"]")
		}
	case t.Kind() == reflect.Map:
		for _, e := range d.entries(n, path) {
			d.check(e.Value, t.Elem(), join(path, e.Key.String()))
		}
	case t.Kind() == reflect.Interface:
	default:
		d.scalar(n, t, path, map[reflect.Kind]string{
			reflect.Bool: "true or false", reflect.String: "text", reflect.Float64: "a number", reflect.Uint64: "a whole number from 0",
		}[t.Kind()])
	}
}

// object checks the entries of a struct.
func (d *document) object(n ast.Node, t reflect.Type, path string) {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name != "-" && name != "" {
			fields[name] = t.Field(i).Type
		}
	}
	for _, e := range d.entries(n, path) {
		key := e.Key.String()
		if field, ok := fields[key]; ok {
			d.check(e.Value, field, join(path, key))
			continue
		}
		known := slices.Sorted(maps.Keys(fields))
		d.wrong(e.Key, path, "unknown field %q%s; allowed: %s", key, suggest.Hint(key, known), strings.Join(known, ", "))
	}
}

// entry is the key of an entry of the file; nil: there is none.
func (d *document) entry(name string) ast.Node {
	if m, ok := d.root.(*ast.MappingNode); ok {
		for _, e := range m.Values {
			if e.Key.String() == name {
				return e.Key
			}
		}
	}
	return nil
}

// entries are those of a map.
func (d *document) entries(n ast.Node, path string) []*ast.MappingValueNode {
	switch x := n.(type) {
	case *ast.MappingNode:
		return x.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{x}
	}
	d.wrong(n, path, "%s is not allowed: want a map", written(n))
	return nil
}

// scalar decodes one value as the decoder will.
func (d *document) scalar(n ast.Node, t reflect.Type, path, want string) {
	if want == "" {
		want = "a whole number"
	}
	if err := yaml.NodeToValue(n, reflect.New(t).Interface()); err != nil {
		d.wrong(n, path, "%s is not allowed: want %s", written(n), want)
	}
}

// written is a value as it stands in the file, in short.
func written(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	}
	return n.String()
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// aside is the name of what an index counts, which stands beside a path for readers.
var aside = regexp.MustCompile(` \([^)]*\)`)

// tell notes a mistake whose text begins with the path of a field.
func (d *document) tell(err error) {
	text := aside.ReplaceAllString(err.Error(), "")
	path := ""
	for part := range strings.SplitSeq(text, ": ") { // "policies[0]: probes[0].status"
		if strings.ContainsAny(part, " ,") {
			break
		}
		path = join(path, part)
	}
	d.wrong(d.at(path), "", "%s", err)
}

// at is the node of a path, or of the nearest one above it that is in the file.
func (d *document) at(path string) ast.Node {
	for path != "" {
		if p, err := yaml.PathString("$." + path); err == nil {
			if n, err := p.FilterNode(d.root); err == nil && n != nil {
				return n
			}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return d.root
}
