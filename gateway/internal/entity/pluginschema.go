package entity

import (
	"fmt"
	"slices"
	"strings"
)

// PluginSchema describes one plugin to the Admin API: its configuration, and
// what it can be configured on. Plugins declare theirs and hand it to
// NewCatalog.
type PluginSchema struct {
	Name   string  // Kong's: "key-auth"
	Config []Field // of the record config
	Checks []Check // across fields of config; messages are relative to it

	// Protocols are those that the plugin can be configured for; nil: those of
	// Kong's plugins for HTTP.
	Protocols []string

	// Kong's no_consumer, no_route and no_service: the plugin cannot be tied to
	// one.
	NoConsumer bool
	NoRoute    bool
	NoService  bool

	// Normalize puts a configuration that is about to be checked into its one
	// form: it runs before and after defaults are filled in. nil: nothing to do.
	Normalize func(config Record)
	// NormalizePatch does so with a change, before it is merged into what is
	// stored. nil: nothing to do.
	NormalizePatch func(config Record)
}

// httpPlugin are the protocols of Kong's plugins for HTTP.
var httpPlugin = []string{"grpc", "grpcs", "http", "https"}

// protocols is the plugin's field of that name. A plugin runs whatever the
// protocol of a request is, and requests come over http: what leaves http out
// would run all the same.
func (p *PluginSchema) protocols() Field {
	names := p.Protocols
	if names == nil {
		names = httpPlugin
	}
	list := make([]any, len(names))
	for i, n := range names {
		list[i] = n
	}
	return setOf("protocols", str("").with(oneOf(list...))).with(required).with(def(list))
}

// fields puts the plugin's own fields in the place of the general ones.
func (p *PluginSchema) fields(general []Field) []Field {
	out := slices.Clone(general)
	for i := range out {
		switch out[i].Name {
		case "config":
			out[i].Fields, out[i].Default = p.Config, map[string]any{} // also where no field has a default
		case "protocols":
			out[i] = p.protocols()
		}
	}
	return out
}

// unreferable are the references that the plugin cannot have.
func (p *PluginSchema) unreferable() []string {
	var names []string
	for _, f := range []struct {
		name   string
		denied bool
	}{{"consumer", p.NoConsumer}, {"route", p.NoRoute}, {"service", p.NoService}} {
		if f.denied {
			names = append(names, f.name)
		}
	}
	return names
}

// Describe is what GET /schemas/plugins/{name} answers.
func (p *PluginSchema) Describe() map[string]any {
	config := Field{Name: "config", Kind: Rec, Required: true, Fields: p.Config}
	fields := []any{map[string]any{"protocols": describeField(new(p.protocols()))}}
	denied := p.unreferable()
	for _, name := range []string{"consumer", "route", "service"} {
		is := slices.Contains(denied, name)
		if name != "consumer" && !is {
			continue // shown only where it is restricted
		}
		d := describeField(&Field{Kind: Foreign, Reference: name + "s"})
		if is {
			d["eq"] = nil // Kong's word for: must be null
		}
		fields = append(fields, map[string]any{name: d})
	}
	return map[string]any{"fields": append(fields, map[string]any{"config": describeField(&config)})}
}

// HasPluginConfig tells whether s is the schema of configured plugins: what their
// config may be depends on their name.
func (s *Schema) HasPluginConfig() bool { return s.plugins != nil }

// plugin finds the schema of the plugin that r configures; false where s is
// not the schema of plugins, or has no plugin of that name.
func (s *Schema) plugin(r Record) (*PluginSchema, bool) {
	name, _ := r["name"].(string)
	return s.pluginNamed(name)
}

func (s *Schema) pluginNamed(name string) (*PluginSchema, bool) {
	p, ok := s.plugins[name]
	return p, ok
}

// fieldsOf are the fields of one record: a plugin's have its configuration.
func (s *Schema) fieldsOf(r Record) []Field {
	if p, ok := s.plugin(r); ok {
		return p.fields(s.Fields)
	}
	return s.Fields
}

// knownPlugin refuses a plugin that the gateway does not have. A record without
// a name is refused by the checks of its fields.
func (s *Schema) knownPlugin(r Record) error {
	name, _ := r["name"].(string)
	if s.plugins == nil || name == "" {
		return nil
	}
	if _, ok := s.plugins[name]; ok {
		return nil
	}
	message := fmt.Sprintf("plugin '%s' not enabled; add it to the 'plugins' configuration property", name)
	if why, ok := unsupported[name]; ok {
		message = fmt.Sprintf("plugin '%s'%s is not supported: %s", name, placeOf(r), why)
	}
	return SchemaError(map[string]any{"name": message})
}

// placeOf says what a plugin is to be configured on, " of route <id>" say; "" is
// everywhere.
func placeOf(r Record) string {
	var places []string
	for _, field := range []string{"service", "route", "consumer"} {
		ref, _ := r[field].(map[string]any)
		if id, ok := ref["id"].(string); ok {
			places = append(places, fmt.Sprintf("%s '%s'", field, id))
		}
	}
	if places == nil {
		return ""
	}
	return " of " + strings.Join(places, " and ")
}

// InsteadOf says what there is in the place of a plugin of Kong that this gateway does
// not have; it is empty for other names.
func InsteadOf(plugin string) string { return unsupported[plugin] }

// unsupported are plugins of Kong that this gateway does not have, and what there
// is in their place.
var unsupported = map[string]string{
	"pre-function":  noLua,
	"post-function": noLua,
	"aws-lambda": "functions are not invoked with AWS signatures; put a function URL or an API Gateway endpoint in the service's url, " +
		"and its key into a header field with request-transformer",
	"azure-functions": "put the function's URL in the service's url, and its key into x-functions-key with request-transformer",
	"ldap-auth":       "use basic-auth, hmac-auth, key-auth or jwt, with an identity provider in front of the directory that signs tokens",
	"loggly":          "use syslog with a daemon that forwards to Loggly, or http-log with Loggly's HTTP endpoint",
	"grpc-gateway":    "JSON is not transcoded to gRPC; do that in the upstream, with grpc-ecosystem/grpc-gateway say",
	"session":         "use jwt, which also reads its token from a cookie (cookie_names)",
	"acme":            "obtain certificates outside, and store them as entities certificates and snis",
}

const noLua = "this gateway runs no Lua; use request-transformer, response-transformer or request-termination, " +
	"or write a plugin in Go (docs/plugins/your-own.md)"
