package requesttransformer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// template is a value with $(...) in it. Kong runs Lua there; here it can be
// headers.NAME, query_params.NAME or uri_captures.NAME, with ["NAME"] for names
// that are no words and [1] for unnamed groups, and alternatives behind "or", of
// which the last may be a quoted text.
type template struct{ parts []part }

type part struct {
	text string   // where from is empty
	from []source // the first that has a value counts
}

type source struct {
	kind string // headers, query_params, uri_captures; "" for the text itself
	name string
}

var (
	referenceRE = regexp.MustCompile(`^(headers|query_params|uri_captures)` +
		`(?:\.([A-Za-z_][A-Za-z0-9_]*)|\[\s*(?:"([^"\\]+)"|'([^'\\]+)')\s*\])`)
	groupRE  = regexp.MustCompile(`^(uri_captures)\[\s*([0-9]{1,4})\s*\]`)
	quotedRE = regexp.MustCompile(`^(?:"([^"\\]*)"|'([^'\\]*)')`)
)

var errTemplate = errors.New(`between $( and ) can be headers.NAME, query_params.NAME or uri_captures.NAME (["NAME"] and [1] too), ` +
	`and "or" between several, the last of which can be a quoted text; no other Lua is run`)

// parseTemplate reads a value.
func parseTemplate(value string) (*template, error) {
	t := &template{}
	for {
		text, rest, more := strings.Cut(value, "$(")
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if !more {
			return t, nil
		}
		from, rest, err := parseSources(rest)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, part{from: from})
		value = rest
	}
}

func parseSources(text string) (from []source, rest string, err error) {
	for {
		s, rest, err := parseSource(strings.TrimLeft(text, " "))
		if err != nil {
			return nil, "", err
		}
		from = append(from, s)
		rest = strings.TrimLeft(rest, " ")
		if after, ok := strings.CutPrefix(rest, ")"); ok {
			return from, after, nil
		}
		after, ok := strings.CutPrefix(rest, "or ")
		if !ok || s.kind == "" {
			return nil, "", errTemplate
		}
		text = after
	}
}

func parseSource(text string) (s source, rest string, err error) {
	if m := referenceRE.FindStringSubmatch(text); m != nil {
		s = source{m[1], m[2] + m[3] + m[4]}
		if s.kind == "headers" {
			s.name = strings.ReplaceAll(s.name, "_", "-") // as in nginx's Lua
		}
		return s, text[len(m[0]):], nil
	}
	if m := groupRE.FindStringSubmatch(text); m != nil {
		return source{m[1], m[2]}, text[len(m[0]):], nil
	}
	if m := quotedRE.FindStringSubmatch(text); m != nil {
		return source{"", m[1] + m[2]}, text[len(m[0]):], nil
	}
	if strings.HasPrefix(text, "shared") {
		return s, "", fmt.Errorf("$(shared...): no plugin shares values here; %w", errTemplate)
	}
	return s, "", errTemplate
}

// reads tells whether something of that kind, and name if one is given, is in the
// value.
func (t *template) reads(kind, name string) bool {
	for _, p := range t.parts {
		for _, s := range p.from {
			if s.kind == kind && (name == "" || strings.EqualFold(s.name, name)) {
				return true
			}
		}
	}
	return false
}

// isFixed tells whether the value is the same for every request.
func (t *template) isFixed() bool {
	for _, p := range t.parts {
		if len(p.from) > 0 {
			return false
		}
	}
	return true
}

// render puts values in their places. escape is given those that are not part of
// the configuration, and where they are from.
func (t *template) render(x *plugin.Exchange, escape func(kind, value string) string) string {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.text)
		for _, s := range p.from {
			value, ok := s.value(x)
			if !ok {
				continue
			}
			if s.kind != "" && escape != nil {
				value = escape(s.kind, value)
			}
			b.WriteString(value)
			break
		}
	}
	return b.String()
}

// value copies: what it is of may change before the value is used.
func (s source) value(x *plugin.Exchange) (value string, ok bool) {
	switch s.kind {
	case "headers":
		h := &x.Ctx.Request.Header
		return string(h.Peek(s.name)), plugin.HasField(h, s.name)
	case "query_params":
		for _, p := range parsePairs(plugin.Query(&x.Ctx.Request.Header)).list {
			if p.name() == s.name {
				return p.value(), true
			}
		}
		return "", false
	case "uri_captures":
		if x.Capture == nil {
			return "", false
		}
		v := strings.Clone(x.Capture(s.name))
		return v, v != ""
	}
	return s.name, true
}
