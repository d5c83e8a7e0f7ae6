// Package cors is Kong's plugin cors: it tells browsers which pages of other
// origins may use an API.
package cors

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	list := func(name, match string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Array, Elements: &entity.Field{Kind: entity.String, Match: match}}
	}
	methods := list("methods", "")
	all := []any{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
	methods.Default, methods.Elements.OneOf = all, all
	flag := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Boolean, Required: true, Default: false}
	}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "cors",
			NoConsumer: true, // a preflight request has no credential
			Config: []entity.Field{
				list("origins", ""), list("headers", "header"), list("exposed_headers", "header"), methods,
				{Name: "max_age", Kind: entity.Number, Between: &[2]float64{0, 1<<31 - 1}},
				flag("credentials"), flag("preflight_continue"), flag("private_network"),
			},
			Checks: []entity.Check{{Run: checkOrigins}},
		},
		Priority: 2000,
		New:      newPlugin,
	}
}

func checkOrigins(c entity.Record) map[string]any {
	list, _ := c["origins"].([]any)
	var wrong []any
	for i, e := range list {
		text, _ := e.(string)
		if _, err := parseOrigin(text); err != nil {
			message := fmt.Sprintf("'%s' is not a valid regex: %s", text, err)
			wrong = append(append(wrong, make([]any, i-len(wrong))...), message)
		}
	}
	if wrong == nil {
		return nil
	}
	return map[string]any{"origins": wrong}
}

// origin is one of those that may use the API.
type origin struct {
	text   string         // as it is configured
	any    bool           // "*"
	exact  string         // in its usual form; "" of an expression
	expr   *regexp.Regexp // of the whole origin; nil: exact
	byHost bool           // expr is about the host alone
}

// plain are origins without a mark of an expression.
var plain = regexp.MustCompile(`^[A-Za-z0-9.:/-]+$`)

// parseOrigin reads an entry. Expressions have to fit the whole: "example\.com"
// does not fit example.com.evil.test.
func parseOrigin(text string) (origin, error) {
	o := origin{text: text}
	switch {
	case text == "*":
		o.any = true
	case plain.MatchString(text):
		o.exact, _ = normalize(text)
	default:
		expr, err := regexp.Compile("^(?:" + strings.TrimSuffix(strings.TrimPrefix(text, "^"), "$") + ")$")
		if err != nil {
			return o, err //nolint:wrapcheck // the caller names the expression
		}
		o.expr, o.byHost = expr, !strings.Contains(text, ":")
	}
	return o, nil
}

// normalize gives an origin its usual form, without the port of its scheme, and
// its host. What is none stays as it is.
func normalize(text string) (whole, host string) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || rest == "" {
		return text, text
	}
	rest, _, _ = strings.Cut(rest, "/")
	switch scheme {
	case "http":
		rest = strings.TrimSuffix(rest, ":80")
	case "https":
		rest = strings.TrimSuffix(rest, ":443")
	}
	host = rest
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, ']') {
		host = rest[:i]
	}
	return scheme + "://" + rest, host
}
