package regex

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Expression is a compiled regular expression. It may be used by any number of
// goroutines.
type Expression struct {
	text     string
	anchored bool   // tied to the beginning of the text
	literal  string // what every match begins with

	re   *regexp.Regexp // nil when RE2 does not take the expression
	size int            // of re's program, in instructions
	prog *program       // used when re is nil
}

// CompilePath compiles an expression that is tied to the beginning of the
// text, as those of a route's paths are.
func CompilePath(expr string) (*Expression, error) {
	e, err := compile(expr, `\A(?:`+expr+`)`, false)
	if err != nil {
		return nil, err
	}
	e.anchored = true
	if e.re != nil {
		if loose, err := regexp.Compile(strings.TrimPrefix(expr, "^")); err == nil {
			e.literal, _ = loose.LiteralPrefix()
		}
	}
	return e, nil
}

// CompileHeader compiles an expression that may match anywhere in the text,
// without regard to case, as those of a route's headers do.
func CompileHeader(expr string) (*Expression, error) {
	return compile(expr, "(?i)"+expr, true)
}

// compile tries RE2 first. whole is what RE2 is given to evaluate.
func compile(expr, whole string, fold bool) (*Expression, error) {
	if len(expr) > maxText {
		return nil, fmt.Errorf("is %d bytes long; at most %d are allowed", len(expr), maxText)
	}
	e := &Expression{text: expr}
	size, err := sizeOf(expr, fold)
	var over *limitError
	switch {
	case err == nil:
		e.size = size
		e.re, err = regexp.Compile(whole)
		return e, err
	case errors.As(err, &over):
		return nil, err
	}
	var err2 error
	if e.prog, err2 = newProgram(expr, fold); err2 != nil {
		if errors.As(err2, &over) {
			return nil, err2
		}
		return nil, err // RE2's message is the clearer one
	}
	return e, nil
}

// Literal is what every text that matches begins with, "" when that is not
// known.
func (e *Expression) Literal() string { return e.literal }

// Backtracks says whether the expression needs the backtracking engine.
func (e *Expression) Backtracks() bool { return e.re == nil }

// Match evaluates the expression and says how many bytes of text, from its
// beginning, come before the end of the match. When w is used up the result
// says no match, and w.Exhausted tells the difference.
func (e *Expression) Match(text string, w *Work) (end int, ok bool) {
	if e.re == nil {
		m := e.prog.run(text, e.anchored, w)
		if m == nil {
			return 0, false
		}
		end = int(m.groups[0].end)
		m.release()
		return end, true
	}
	if !w.affords(e.size, len(text)) {
		return 0, false
	}
	if !e.anchored { // the place is not asked for
		return 0, e.re.MatchString(text)
	}
	if loc := e.re.FindStringIndex(text); loc != nil {
		return loc[1], true
	}
	return 0, false
}

// Capture is what a group, by its name or number, took of text: "" when there
// is no such group or no match. It costs at most as much as w has left.
func (e *Expression) Capture(text, group string, w *Work) string {
	if e.re == nil {
		m := e.prog.run(text, e.anchored, w)
		if m == nil {
			return ""
		}
		defer m.release()
		if slot, ok := e.prog.slot(group); ok && m.groups[slot].start >= 0 {
			return text[m.groups[slot].start:m.groups[slot].end]
		}
		return ""
	}
	if !w.affords(e.size, len(text)) {
		return ""
	}
	i := e.re.SubexpIndex(group)
	if n, err := strconv.Atoi(group); err == nil {
		i = n
	}
	found := e.re.FindStringSubmatchIndex(text)
	if i < 0 || 2*i+1 >= len(found) || found[2*i] < 0 {
		return ""
	}
	return text[found[2*i]:found[2*i+1]]
}
