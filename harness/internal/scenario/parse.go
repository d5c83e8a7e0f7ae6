package scenario

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits on foreign files: no scenario comes near them.
const (
	maxFile  = 1 << 20
	maxDepth = 32
)

// parse turns YAML text into one mapping.
func parse(file string, b []byte) (*node, error) {
	if len(b) > maxFile {
		return nil, Errors{{File: file, Line: 1, Column: 1, Message: fmt.Sprintf("%d bytes are not allowed: want at most %d", len(b), maxFile)}}
	}
	doc, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	r := &converter{file: file}
	var body ast.Node
	for _, d := range doc.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			r.wrong(d.Body, "a second document is not allowed: want one scenario a file")
			return nil, r.errs.orNil()
		}
		body = d.Body
	}
	if body == nil {
		return nil, Errors{{File: file, Line: 1, Column: 1, Message: "an empty file is not allowed: want a scenario"}}
	}
	n := r.convert(body, 0)
	if len(r.errs) == 0 && n.kind != mapping {
		r.wrong(body, n.string()+" is not allowed: want a map")
	}
	if len(r.errs) == 0 {
		r.foreign(n)
	}
	return n, r.errs.orNil()
}

// foreign refuses a file of policies in one sentence: as a scenario, nearly every line of it would be a mistake.
func (c *converter) foreign(n *node) {
	if n.field("stages") != nil || n.field("stage") != nil {
		return
	}
	for _, e := range n.entries {
		if e.key == "policies" {
			c.errs.add(Error{File: c.file, Line: e.at.line, Column: e.at.column,
				Message: "policies are of a comparison: harness compare, or harness gate --workload, measures it"})
		}
	}
}

func syntaxError(file string, err error) error {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	at := placeOf(syntax.GetToken())
	return Errors{{File: file, Line: at.line, Column: at.column, Message: syntax.GetMessage()}}
}

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{line: 1, column: 1}
	}
	return place{line: max(t.Position.Line, 1), column: max(t.Position.Column, 1)}
}

// converter makes nodes of the library's syntax tree. Anchors, aliases, merge
// keys and tags are refused: what a stage is must be readable in one place.
type converter struct {
	file string
	errs Errors
}

func (c *converter) wrong(n ast.Node, message string) *node {
	at := begin(n)
	c.errs.add(Error{File: c.file, Line: at.line, Column: at.column, Message: message})
	return &node{at: at}
}

// begin is where a value begins: for a mapping its first key, since the
// library's own token of one is the colon.
func begin(n ast.Node) place {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return begin(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return begin(n.Key)
	}
	return placeOf(n.GetToken())
}

func (c *converter) convert(n ast.Node, depth int) *node {
	if depth > maxDepth {
		return c.wrong(n, fmt.Sprintf("more than %d levels are not allowed", maxDepth))
	}
	out := &node{at: begin(n)}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		out.kind, out.value = boolean, n.Value
	case *ast.IntegerNode:
		out.kind, out.value = integer, n.Value
		if u, ok := n.Value.(uint64); ok && u < 1<<63 {
			out.value = int64(u)
		}
	case *ast.FloatNode:
		out.kind, out.value = float, n.Value
	case *ast.StringNode:
		out.kind, out.value = text, n.Value
	case *ast.LiteralNode:
		out.kind, out.value = text, n.Value.Value
	case *ast.MappingNode:
		return c.mapping(out, n.Values, depth)
	case *ast.MappingValueNode:
		return c.mapping(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out.kind = list
		for _, v := range n.Values {
			out.items = append(out.items, c.convert(v, depth+1))
		}
	default:
		return c.wrong(n, fmt.Sprintf("%s is not allowed: want plain values, maps and lists", strings.ToLower(n.Type().String())))
	}
	return out
}

func (c *converter) mapping(out *node, values []*ast.MappingValueNode, depth int) *node {
	out.kind = mapping
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		key := c.convert(v.Key, depth+1)
		name, ok := key.scalar()
		if !ok {
			c.wrong(v.Key, key.string()+" is not allowed as a key: want a name")
			continue
		}
		if seen[name] {
			c.wrong(v.Key, fmt.Sprintf("%q is not allowed twice in a map", name))
			continue
		}
		seen[name] = true
		out.entries = append(out.entries, entry{name, key.at, c.convert(v.Value, depth+1)})
	}
	return out
}
