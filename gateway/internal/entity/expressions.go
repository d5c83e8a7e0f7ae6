package entity

import (
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/regex"
)

// routeExpressions refuses regular expressions that the router could not use,
// of which one would keep the whole configuration from being applied, and
// those that it could not evaluate within its bounds.
func routeExpressions(r Record) map[string]any {
	errs := map[string]any{}
	paths, _ := r["paths"].([]any)
	for i, p := range paths {
		text, _ := p.(string)
		if expr, ok := strings.CutPrefix(text, "~"); ok {
			if err := usable(regex.CompilePath(expr)); err != nil {
				errs["paths"] = putAt(errs["paths"], i, fmt.Sprintf("invalid regex: '%s' (%v)", expr, err))
			}
		}
	}
	headers, _ := r["headers"].(map[string]any)
	for name, v := range headers {
		values, _ := v.([]any)
		if len(values) != 1 {
			continue
		}
		text, _ := values[0].(string)
		if expr, ok := strings.CutPrefix(text, "~*"); ok {
			if err := usable(regex.CompileHeader(expr)); err != nil {
				errs["headers"] = fmt.Sprintf("%s: invalid regex: '%s' (%v)", name, expr, err)
			}
		}
	}
	return errs
}

func usable(e *regex.Expression, err error) error {
	if err != nil {
		return err
	}
	return e.Check()
}

// putAt puts a message into a list at the element that it is about.
func putAt(list any, i int, message string) []any {
	l, _ := list.([]any)
	for len(l) < i {
		l = append(l, nil)
	}
	return append(l, message)
}
