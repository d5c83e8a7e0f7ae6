package route

import (
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/regex"
)

// pattern is a regular expression that is tied to the beginning of a path.
type pattern struct {
	literal string // what every match begins with
	expr    *regex.Expression
}

func compile(expr string) (*pattern, error) {
	e, err := regex.CompilePath(expr)
	if err != nil {
		return nil, err
	}
	return &pattern{literal: e.Literal(), expr: e}, nil
}

// match says how many bytes at the beginning of path the expression takes,
// -1 for no match.
func (p *pattern) match(path string, work *regex.Work) int {
	if path == "" {
		return -1
	}
	if taken, ok := p.expr.Match(path, work); ok {
		return taken
	}
	return -1
}

// capture is what a group took, by its name or number. Evaluating again costs
// no more than the match did, so a bound of its own is enough.
func (p *pattern) capture(path, group string) string {
	var work regex.Work
	return p.expr.Capture(path, group, &work)
}

// header is one header criterion: one of the values, or the expression.
type header struct {
	name   string // lower case
	values []string
	expr   *regex.Expression
}

// headerExpression is the expression of a header's values, if they are one:
// as in Kong a single value is, when it begins with ~*.
func headerExpression(values []string) (expr string, ok bool) {
	if len(values) != 1 {
		return "", false
	}
	return strings.CutPrefix(values[0], "~*")
}

func newHeader(name string, values []string) (header, error) {
	h := header{name: strings.ToLower(name), values: values}
	expr, ok := headerExpression(values)
	if !ok {
		return h, nil
	}
	var err error
	h.expr, err = regex.CompileHeader(expr)
	return h, err
}

// matches says whether any of a request's values for the header will do.
// Values are compared without regard to case.
func (h *header) matches(got []string, work *regex.Work) bool {
	for _, v := range got {
		if containsFold(h.values, v) {
			return true
		}
		if h.expr != nil {
			if _, ok := h.expr.Match(v, work); ok {
				return true
			}
		}
	}
	return false
}
