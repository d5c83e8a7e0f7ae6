package route

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// backtrackLimit bounds one evaluation of a pattern that only the
// backtracking engine takes: a request must not be able to burn a core.
const backtrackLimit = 5 * time.Millisecond

// pattern is a regular expression that is tied to the beginning of a path.
// RE2 runs in linear time and is taken where it accepts the expression; the
// backtracking engine is for look-around, back-references and the like.
type pattern struct {
	literal string // what every match begins with
	re      *regexp.Regexp
	slow    *regexp2.Regexp // used when re is nil
}

func compile(expr string) (*pattern, error) {
	re, err := regexp.Compile(`\A(?:` + expr + `)`)
	if err == nil {
		p := &pattern{re: re}
		if loose, err := regexp.Compile(strings.TrimPrefix(expr, "^")); err == nil {
			p.literal, _ = loose.LiteralPrefix()
		}
		return p, nil
	}
	slow, err2 := regexp2.Compile(`\A(?:`+expr+`)`, regexp2.None)
	if err2 != nil {
		return nil, errors.Join(err, err2)
	}
	slow.MatchTimeout = backtrackLimit
	return &pattern{slow: slow}, nil
}

// match says how many bytes at the beginning of path the expression takes,
// -1 for no match. An evaluation that takes too long is no match.
func (p *pattern) match(path string) int {
	if path == "" {
		return -1
	}
	if p.re != nil {
		if loc := p.re.FindStringIndex(path); loc != nil {
			return loc[1]
		}
		return -1
	}
	m, err := p.slow.FindStringMatch(path)
	if err != nil || m == nil {
		return -1
	}
	// The engine counts runes, and takes a byte that is not UTF-8 for one.
	runes := 0
	for i := range path {
		if runes == m.Length {
			return i
		}
		runes++
	}
	return len(path)
}

// capture is what a group took, by its name or number.
func (p *pattern) capture(path, group string) string {
	if p.re == nil {
		m, err := p.slow.FindStringMatch(path)
		if err != nil || m == nil {
			return ""
		}
		if g := m.GroupByName(group); g != nil { // numbers are names, too
			return g.String()
		}
		return ""
	}
	i := p.re.SubexpIndex(group)
	if n, err := strconv.Atoi(group); err == nil {
		i = n
	}
	m := p.re.FindStringSubmatchIndex(path)
	if i < 0 || 2*i+1 >= len(m) || m[2*i] < 0 {
		return ""
	}
	return path[m[2*i]:m[2*i+1]]
}

// header is one header criterion: one of the values, or the expression.
type header struct {
	name   string // lower case
	values []string
	expr   *regexp.Regexp
	slow   *regexp2.Regexp
}

func newHeader(name string, values []string) (header, error) {
	h := header{name: strings.ToLower(name), values: values}
	if len(values) != 1 {
		return h, nil
	}
	expr, ok := strings.CutPrefix(values[0], "~*")
	if !ok {
		return h, nil
	}
	var err, err2 error
	if h.expr, err = regexp.Compile("(?i)" + expr); err == nil {
		return h, nil
	}
	if h.slow, err2 = regexp2.Compile(expr, regexp2.IgnoreCase); err2 != nil {
		return h, errors.Join(err, err2)
	}
	h.slow.MatchTimeout = backtrackLimit
	return h, nil
}

// matches says whether any of a request's values for the header will do.
// Values are compared without regard to case.
func (h *header) matches(got []string) bool {
	for _, v := range got {
		if containsFold(h.values, v) {
			return true
		}
		if h.expr != nil && h.expr.MatchString(v) {
			return true
		}
		if h.slow != nil {
			if ok, err := h.slow.MatchString(v); ok && err == nil {
				return true
			}
		}
	}
	return false
}
