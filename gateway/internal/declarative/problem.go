package declarative

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Problem is one thing in a file that is invalid, or that the gateway does not
// have.
type Problem struct {
	Path    string `json:"path"`             // of the entity: services[0].routes[1]; "" is the file
	Entity  string `json:"entity,omitempty"` // route "users"
	Field   string `json:"field,omitempty"`  // below the entity: config.minute
	Value   string `json:"value,omitempty"`  // as JSON; "" where there is none
	Message string `json:"message"`          // what is allowed

	// Unsupported is set where the file would be valid for Kong.
	Unsupported bool `json:"unsupported,omitempty"`
}

// String is the problem in one line.
func (p *Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Path)
	if p.Entity != "" {
		fmt.Fprintf(&b, " (%s)", p.Entity)
	}
	if p.Field != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(p.Field)
	}
	if p.Value != "" {
		b.WriteString(" = " + p.Value)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems are everything that is wrong with a file. It is an error with a line
// for each.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// MaxProblems is after how many problems a file is not read further. A file of
// nothing else would be answered, logged and kept at many times its own length.
const MaxProblems = 1000

// bounded are the first problems, with texts of a bounded length: a name in them
// may be as long as the file.
func (p Problems) bounded() Problems {
	if len(p) >= MaxProblems {
		p = append(p[:MaxProblems:MaxProblems], Problem{Message: fmt.Sprintf("the file is not read beyond the first %d problems", MaxProblems)})
	}
	for i := range p {
		for _, text := range []*string{&p[i].Path, &p[i].Entity, &p[i].Field, &p[i].Message} {
			*text = clip(*text)
		}
	}
	return p
}

// maxText is how many bytes a text in a problem has at most.
const maxText = 4 << 10

func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}

// maxValue is how much of a value an error shows.
const maxValue = 80

// show writes a value for an error, shortened.
func show(v any) string {
	if v == nil {
		return ""
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	text := string(raw)
	if len(text) > maxValue {
		text = strings.ToValidUTF8(text[:maxValue], "") + "…"
	}
	return text
}

// showOf is show of what stands in the place of an entity, which may be a secret
// of one that has any.
func showOf(s *entity.Schema, v any) string {
	for i := range s.Fields {
		if s.Fields[i].Encrypted {
			return ""
		}
	}
	return show(v)
}

// fieldProblems makes problems of the messages that a schema has for an entity.
// Secrets are not shown, nor what may be one.
func fieldProblems(at *item, err *entity.Error, r entity.Record) []Problem {
	if len(err.Fields) == 0 {
		return []Problem{at.problem("", nil, err.Message)}
	}
	var out []Problem
	walk("", err.Fields, at.schema.Conceal(r), func(field string, value any, message string) {
		out = append(out, at.problem(field, value, message))
	})
	return out
}

// walk calls found for each message, with the value that it is about.
func walk(prefix string, messages map[string]any, values any, found func(field string, value any, message string)) {
	record, _ := values.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		path := name
		if prefix != "" {
			path = prefix + "." + name
		}
		value := record[name]
		if name == "@entity" {
			path, value = prefix, nil
		}
		walkOne(path, messages[name], value, name == "@entity", found)
	}
}

func walkOne(path string, message, value any, whole bool, found func(string, any, string)) {
	switch m := message.(type) {
	case map[string]any:
		walk(path, m, value, found)
	case []any:
		list, _ := value.([]any)
		for i, e := range m {
			switch {
			case e == nil:
			case whole:
				walkOne(path, e, nil, true, found)
			case i < len(list):
				walkOne(path+"["+strconv.Itoa(i)+"]", e, list[i], false, found)
			default:
				walkOne(path, e, value, false, found)
			}
		}
	default:
		found(path, value, fmt.Sprint(m))
	}
}
