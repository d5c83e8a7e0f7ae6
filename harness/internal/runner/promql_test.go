package runner

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selector is one metric that an expression names, with its matchers.
type selector struct {
	metric   string
	matchers []matcher
}

type matcher struct{ label, op, value string }

// asked is what an expression asks of the metrics it names.
type asked struct {
	selectors []selector
	labels    []string // by, without, on, ignoring
}

var (
	identifier  = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	notMetric   = []string{"and", "or", "unless", "bool", "offset", "inf", "nan", "sum", "min", "max", "avg", "count"}
	groups      = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	matchersIn  = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)
	labelValues = regexp.MustCompile(`^label_values\((.*),\s*(\w+)\)$`)
)

// readPromQL finds metrics and labels in an expression that is known to be
// valid; it is no parser.
func readPromQL(expr string) asked {
	var a asked
	if m := labelValues.FindStringSubmatch(expr); m != nil {
		a = readPromQL(m[1])
		a.labels = append(a.labels, m[2])
		return a
	}
	for rest := expr; rest != ""; {
		name := identifier.FindString(rest)
		if name == "" {
			rest = rest[beyond(rest):]
			continue
		}
		rest = strings.TrimLeft(rest[len(name):], " ")
		switch {
		case slices.Contains(groups, name):
			end := strings.IndexByte(rest, ')')
			for label := range strings.SplitSeq(strings.Trim(rest[:end], "( "), ",") {
				if label = strings.TrimSpace(label); label != "" {
					a.labels = append(a.labels, label)
				}
			}
			rest = rest[end+1:]
		case strings.HasPrefix(rest, "(") || slices.Contains(notMetric, name):
		case strings.HasPrefix(rest, "{"):
			end := strings.IndexByte(rest, '}')
			s := selector{metric: name}
			for _, m := range matchersIn.FindAllStringSubmatch(rest[:end], -1) {
				s.matchers = append(s.matchers, matcher{m[1], m[2], m[3]})
			}
			a.selectors = append(a.selectors, s)
			rest = rest[end+1:]
		default:
			a.selectors = append(a.selectors, selector{metric: name})
		}
	}
	return a
}

// beyond is how far what is no identifier goes: a range, a string, a number
// with its unit, or one character.
func beyond(s string) int {
	switch {
	case s[0] == '[':
		return strings.IndexByte(s, ']') + 1
	case s[0] == '"':
		return strings.IndexByte(s[1:], '"') + 2
	case s[0] >= '0' && s[0] <= '9':
		return len(s) - len(strings.TrimLeft(s, "0123456789.abcdefghijklmnopqrstuvwxyz"))
	}
	return 1
}

func TestReadPromQL(t *testing.T) {
	a := readPromQL(`sum by (job, le) (rate(x_bucket{le="0.5",service=~"$s"}[5m] offset 10m)) / on (job) group_right () (y > 0 or vector(1e3)) and z:a`)
	var names []string
	for _, s := range a.selectors {
		names = append(names, s.metric)
	}
	if !slices.Equal(names, []string{"x_bucket", "y", "z:a"}) {
		t.Errorf("metrics %v", names)
	}
	if !slices.Equal(a.selectors[0].matchers, []matcher{{"le", "=", "0.5"}, {"service", "=~", "$s"}}) {
		t.Errorf("matchers %v", a.selectors[0].matchers)
	}
	if !slices.Equal(a.labels, []string{"job", "le", "job"}) {
		t.Errorf("labels %v", a.labels)
	}
	if a = readPromQL(`label_values(m{job=~"$job"}, route)`); a.selectors[0].metric != "m" || !slices.Equal(a.labels, []string{"route"}) {
		t.Errorf("label_values: %+v", a)
	}
}
