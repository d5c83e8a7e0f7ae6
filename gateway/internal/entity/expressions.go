package entity

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/dlclark/regexp2"
)

// routeExpressions refuses regular expressions that the router could not use:
// one of them would keep the whole configuration from being applied.
func routeExpressions(r Record) map[string]any {
	errs := map[string]any{}
	paths, _ := r["paths"].([]any)
	for i, p := range paths {
		text, _ := p.(string)
		if expr, ok := strings.CutPrefix(text, "~"); ok {
			if err := compiles(`\A(?:`+expr+`)`, `\A(?:`+expr+`)`, regexp2.None); err != nil {
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
			if err := compiles("(?i)"+expr, expr, regexp2.IgnoreCase); err != nil {
				errs["headers"] = fmt.Sprintf("%s: invalid regex: '%s' (%v)", name, expr, err)
			}
		}
	}
	return errs
}

// compiles tries the router's two engines, in its order, with exactly what the
// router gives to each.
func compiles(expr, expr2 string, options regexp2.RegexOptions) error {
	_, err := regexp.Compile(expr)
	if err == nil {
		return nil
	}
	if _, err2 := regexp2.Compile(expr2, options); err2 != nil {
		return err
	}
	return nil
}

// putAt puts a message into a list at the element that it is about.
func putAt(list any, i int, message string) []any {
	l, _ := list.([]any)
	for len(l) < i {
		l = append(l, nil)
	}
	return append(l, message)
}
