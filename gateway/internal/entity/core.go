package entity

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

func str(name string) Field              { return Field{Name: name, Kind: String} }
func integer(name string, def any) Field { return Field{Name: name, Kind: Integer, Default: def} }
func boolean(name string, def any) Field {
	return Field{Name: name, Kind: Boolean, Default: def, Required: def != nil}
}
func setOf(name string, elements Field) Field {
	return Field{Name: name, Kind: Set, Elements: &elements}
}
func listOf(name string, elements Field) Field {
	return Field{Name: name, Kind: Array, Elements: &elements}
}
func record(name string, fields ...Field) Field {
	return Field{Name: name, Kind: Rec, Required: true, Fields: fields}
}
func foreign(name, schema, onDelete string) Field {
	return Field{Name: name, Kind: Foreign, Reference: schema, OnDelete: onDelete}
}
func (f Field) with(change func(*Field)) Field { change(&f); return f }
func required(f *Field)                        { f.Required = true }
func unique(f *Field)                          { f.Unique = true }
func match(kind string) func(*Field)           { return func(f *Field) { f.Match = kind } }
func between(lo, hi float64) func(*Field)      { return func(f *Field) { f.Between = &[2]float64{lo, hi} } }
func oneOf(values ...any) func(*Field)         { return func(f *Field) { f.OneOf = values } }
func def(v any) func(*Field)                   { return func(f *Field) { f.Default = v } }

func idField() Field {
	return Field{Name: "id", Kind: String, Match: "uuid", Auto: true}
}
func tagsField() Field { return setOf("tags", str("").with(match("tag"))) }
func stamps() []Field {
	return []Field{{Name: "created_at", Kind: Integer, Auto: true}, {Name: "updated_at", Kind: Integer, Auto: true}}
}

func services() *Schema {
	timeout := func(name string) Field {
		return integer(name, 60000).with(between(1, MaxTimeout))
	}
	return &Schema{
		Name: "services", Singular: "service", EndpointKey: "name", Shorthand: expandURL,
		Fields: append([]Field{
			idField(),
			str("name").with(match("name")).with(unique),
			integer("retries", 5).with(between(0, 32767)),
			str("protocol").with(def("http")).with(required).with(oneOf(proxied...)),
			str("host").with(required).with(match("host")),
			integer("port", 80).with(required).with(between(0, 65535)),
			str("path").with(match("service_path")),
			timeout("connect_timeout"), timeout("write_timeout"), timeout("read_timeout"),
			tagsField(),
			foreign("client_certificate", "certificates", ""),
			boolean("tls_verify", nil),
			integer("tls_verify_depth", nil).with(between(0, 64)),
			listOf("ca_certificates", str("").with(match("uuid"))),
			boolean("enabled", true),
		}, stamps()...),
		Checks: []Check{{Run: tlsFields}, {Run: pathField}},
	}
}

// tlsFields belong to protocols with TLS, as in Kong.
func tlsFields(r Record) map[string]any {
	switch r["protocol"] {
	case "https", "tls", "grpcs", "wss":
		return nil
	}
	errs := map[string]any{}
	for _, name := range []string{"client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates"} {
		if r[name] != nil {
			conditional(errs, "protocol", name, "value must be null")
		}
	}
	return errs
}

// pathField belongs to http and https: a method of gRPC is the whole path.
func pathField(r Record) map[string]any {
	errs := map[string]any{}
	if p := r["protocol"]; r["path"] != nil && (p == "grpc" || p == "grpcs") {
		conditional(errs, "protocol", "path", "value must be null")
	}
	return errs
}

// expandURL turns url into protocol, host, port and path, as Kong's shorthand.
func expandURL(r Record) error {
	raw, ok := r["url"]
	if !ok {
		return nil
	}
	delete(r, "url")
	if raw == nil {
		for _, k := range []string{"protocol", "host", "port", "path"} {
			r[k] = nil
		}
		return nil
	}
	text, _ := raw.(string)
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme == "" {
		return SchemaError(map[string]any{"url": "missing host in url"})
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return SchemaError(map[string]any{"url": "must be a protocol, a host, a port and a path: user, query and fragment are not sent"})
	}
	r["protocol"], r["host"] = u.Scheme, u.Hostname()
	r["port"] = int64(80)
	if u.Scheme == "https" {
		r["port"] = int64(443)
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil {
			return SchemaError(map[string]any{"url": "invalid port in url"})
		}
		r["port"] = n
	}
	r["path"] = nil
	if p := u.EscapedPath(); p != "" && (p != "/" || u.Scheme != "grpc" && u.Scheme != "grpcs") { // an upstream tells %2F from /
		r["path"] = p
	}
	return nil
}

func routes() *Schema {
	headerValues := listOf("", Field{Kind: String})
	return &Schema{
		Name: "routes", Singular: "route", EndpointKey: "name", Shorthand: keepGRPCPath,
		Fields: append([]Field{
			idField(),
			str("name").with(match("name")).with(unique),
			routeProtocols(),
			setOf("methods", str("").with(match("method"))),
			setOf("hosts", str("").with(match("wildcard_host"))),
			listOf("paths", str("").with(match("path"))),
			{Name: "headers", Kind: Map, Keys: &Field{Kind: String, Match: "route_header"}, Elements: &headerValues},
			setOf("snis", str("").with(match("sni"))),
			setOf("sources", Field{Kind: Rec, Fields: []Field{str("ip"), integer("port", nil)}}),
			setOf("destinations", Field{Kind: Rec, Fields: []Field{str("ip"), integer("port", nil)}}),
			integer("https_redirect_status_code", 426).with(required).with(oneOf(426, 301, 302, 307, 308)),
			integer("regex_priority", 0),
			boolean("strip_path", true),
			str("path_handling").with(def("v0")).with(oneOf("v0", "v1")),
			boolean("preserve_host", false),
			boolean("request_buffering", true),
			boolean("response_buffering", true),
			tagsField(),
			foreign("service", "services", ""),
		}, stamps()...),
		Checks: []Check{{
			Describe: map[string]any{"conditional_at_least_one_of": map[string]any{"if_field": "protocols",
				"then_at_least_one_of": []any{"methods", "hosts", "headers", "paths"}}},
			Run: routeCriteria,
		}, {Run: familyFields}, {Run: distinctHeaders}, {Run: routeExpressions}},
	}
}

// keepGRPCPath gives a route for gRPC that does not say so strip_path false: the
// default is not allowed for one.
func keepGRPCPath(r Record) error {
	if _, says := r["strip_path"]; !says && (hasProtocol(r, "grpc") || hasProtocol(r, "grpcs")) {
		r["strip_path"] = false
	}
	return nil
}

func routeCriteria(r Record) map[string]any {
	plain, secure := "http", "https"
	criteria := []string{"methods", "hosts", "headers", "paths", "snis"}
	if hasProtocol(r, "grpc") || hasProtocol(r, "grpcs") {
		plain, secure = "grpc", "grpcs"
		criteria = criteria[1:]
	}
	for _, k := range criteria {
		if k == "snis" && !hasProtocol(r, secure) {
			continue
		}
		switch v := r[k].(type) {
		case []any:
			if len(v) > 0 {
				return nil
			}
		case map[string]any:
			if len(v) > 0 {
				return nil
			}
		}
	}
	wanted := criteria[:len(criteria)-1]
	if hasProtocol(r, secure) && !hasProtocol(r, plain) {
		wanted = criteria
	}
	return map[string]any{"@entity": []any{fmt.Sprintf("must set one of '%s' when 'protocols' is '%s' or '%s'",
		strings.Join(wanted, "', '"), plain, secure)}}
}

func consumers() *Schema {
	return &Schema{
		Name: "consumers", Singular: "consumer", EndpointKey: "username",
		Fields: append([]Field{
			idField(),
			str("username").with(unique),
			str("custom_id").with(unique),
			tagsField(),
		}, stamps()...),
		Checks: []Check{{
			Describe: map[string]any{"at_least_one_of": []any{"custom_id", "username"}},
			Run: func(r Record) map[string]any {
				if r["username"] == nil && r["custom_id"] == nil {
					return map[string]any{"@entity": []any{"at least one of these fields must be non-empty: 'custom_id', 'username'"}}
				}
				return nil
			},
		}},
	}
}

// plugins is the schema of configured plugins, of which each has its own config.
func plugins(known map[string]*PluginSchema) *Schema {
	return &Schema{
		Name: "plugins", Singular: "plugin", EndpointKey: "instance_name", plugins: known,
		Unique: [][]string{{"name", "route", "service", "consumer"}},
		Fields: append([]Field{
			idField(),
			str("name").with(required),
			str("instance_name").with(match("name")).with(unique),
			foreign("route", "routes", "cascade"),
			foreign("service", "services", "cascade"),
			foreign("consumer", "consumers", "cascade"),
			record("config"),
			new(PluginSchema).protocols(),
			boolean("enabled", true),
			tagsField(),
		}, stamps()...),
		Checks: []Check{{Run: plainProtocol}},
	}
}

func targets() *Schema {
	return &Schema{
		Name: "targets", Singular: "target", EndpointKey: "target", Millis: true,
		Unique: [][]string{{"upstream", "target"}},
		Fields: []Field{
			idField(),
			{Name: "created_at", Kind: Number, Auto: true},
			{Name: "updated_at", Kind: Number, Auto: true},
			foreign("upstream", "upstreams", "cascade").with(required),
			str("target").with(required).with(match("target")),
			integer("weight", 100).with(between(0, 65535)),
			tagsField(),
		},
		Before: func(r Record) {
			if t, ok := r["target"].(string); ok {
				if n, err := NormalizeTarget(t); err == nil {
					r["target"] = n
				}
			}
		},
	}
}

// Tags is the schema of what /tags lists: which entity has which tag. It is no entity that can be written.
func Tags() *Schema {
	return &Schema{Name: "tags", Singular: "tag", Fields: []Field{
		str("tag").with(required), str("entity_name").with(required), str("entity_id").with(required),
	}}
}

// NormalizeTarget gives a target its port (8000 where it has none).
func NormalizeTarget(s string) (string, error) {
	bad := fmt.Errorf("Invalid target ('%s'); not a valid hostname or ip address", s) //nolint:staticcheck // Kong's message
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), "8000"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", bad
	}
	if matchHost(host) != "" {
		return "", bad
	}
	return net.JoinHostPort(host, port), nil
}
