// Package requesttransformer is Kong's plugin request-transformer: it changes
// header fields, query, body, path and method of what the upstream is asked.
package requesttransformer

import (
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/transform"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "request-transformer",
			Config: []entity.Field{
				{Name: "http_method", Kind: entity.String, Match: "method"},
				section("remove"),
				section("rename"),
				section("replace", entity.Field{Name: "uri", Kind: entity.String}),
				section("add"),
				section("append"),
			},
			Checks: checks(),
		},
		Priority:      801,
		New:           newPlugin,
		RequestFields: namedFields,
	}
}

func section(name string, more ...entity.Field) entity.Field {
	return entity.Field{Name: name, Kind: entity.Rec, Required: true, Fields: append([]entity.Field{
		transform.List("body"), transform.List("headers"), transform.List("querystring"),
	}, more...)}
}

func checks() []entity.Check {
	all := []entity.Check{
		{Run: checkMethod}, {Run: checkURI},
		transform.Check("remove", "headers", transform.IsBare, transform.NamesField, leavesHost),
		transform.Check("rename", "headers", transform.NamesField, leavesHost, transform.RenamesField, renamesToOther),
		transform.Check("replace", "headers", transform.NamesField, transform.HasValue, isTemplate, transform.HoldsField),
	}
	for _, s := range []string{"add", "append"} {
		all = append(all, transform.Check(s, "headers",
			transform.NamesField, leavesHost, transform.HasValue, isTemplate, transform.HoldsField))
	}
	for _, list := range []string{"body", "querystring"} {
		all = append(all, transform.Check("remove", list, transform.HasName, transform.IsBare))
		for _, s := range []string{"rename", "replace", "add", "append"} {
			all = append(all, transform.Check(s, list, transform.HasName, transform.HasValue, isTemplate))
		}
	}
	return all
}

// leavesHost refuses what would do nothing: a request has a Host, and one.
func leavesHost(name, _ string) string {
	if strings.EqualFold(name, "host") {
		return "header 'host' can only be replaced: a request has exactly one"
	}
	return ""
}

func renamesToOther(_, value string) string { return leavesHost(value, "") }

func isTemplate(_, value string) string {
	if _, err := parseTemplate(value); err != nil {
		return fmt.Sprintf("value '%s' is not in supported format: %s", value, err)
	}
	return ""
}

// checkMethod refuses what the gateway does not take from clients either.
func checkMethod(c entity.Record) map[string]any {
	switch m, _ := c["http_method"].(string); m {
	case "CONNECT", "TRACE":
		return map[string]any{"http_method": m + " is not supported: upstreams are not asked for it"}
	}
	return nil
}

func checkURI(c entity.Record) map[string]any {
	replace, _ := c["replace"].(map[string]any)
	uri, ok := replace["uri"].(string)
	if !ok {
		return nil
	}
	wrong := func(message string) map[string]any {
		return map[string]any{"replace": map[string]any{"uri": message}}
	}
	t, err := parseTemplate(uri)
	if err != nil {
		return wrong(fmt.Sprintf("value '%s' is not in supported format: %s", uri, err))
	}
	if !strings.HasPrefix(uri, "/") {
		return wrong("should start with: /")
	}
	for _, part := range t.parts {
		if len(part.from) == 0 && strings.ContainsAny(part.text, "?#") {
			return wrong("must be a path alone: a query is changed by the lists querystring")
		}
	}
	return nil
}

// namedFields are the header fields that the configuration names: a client must
// not get one past the plugin in another spelling.
func namedFields(c *entity.Plugin) []string {
	var names []string
	for _, of := range []string{"remove", "rename", "replace", "add", "append"} {
		in, _ := c.Config[of].(map[string]any)
		list, _ := in["headers"].([]any)
		for _, e := range list {
			if entry, ok := e.(string); ok {
				name, _ := transform.Cut(entry)
				names = append(names, name)
			}
		}
	}
	return names
}
