package entity

import (
	"fmt"
	"slices"
)

var hashKinds = []any{"none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"}

func upstreams() *Schema {
	timeouts := func() Field { return Field{Name: "timeouts", Kind: Integer, Default: 0, Between: &[2]float64{0, 255}} }
	failures := func(name string) Field {
		return Field{Name: name, Kind: Integer, Default: 0, Between: &[2]float64{0, 255}}
	}
	statuses := func(def ...any) Field {
		return listOf("http_statuses", Field{Kind: Integer, Between: &[2]float64{100, 999}}).with(func(f *Field) { f.Default = def })
	}
	interval := Field{Name: "interval", Kind: Number, Default: 0, Between: &[2]float64{0, 65535}}
	kind := func(kinds ...any) Field { return str("type").with(def("http")).with(oneOf(kinds...)) }
	active := record("active",
		kind("tcp", "http", "https", "grpc", "grpcs"),
		Field{Name: "timeout", Kind: Number, Default: 1, Between: &[2]float64{0, 65535}},
		integer("concurrency", 10).with(between(1, 1<<31-1)),
		str("http_path").with(def("/")).with(match("probe_path")),
		str("https_sni").with(match("sni")),
		boolean("https_verify_certificate", true),
		Field{Name: "headers", Kind: Map, Keys: &Field{Kind: String, Match: "header"},
			Elements: &Field{Kind: Array, Elements: &Field{Kind: String}}},
		record("healthy", interval, statuses(200, 302), failures("successes")),
		record("unhealthy", interval, statuses(429, 404, 500, 501, 502, 503, 504, 505), failures("tcp_failures"), timeouts(),
			failures("http_failures")),
	)
	// Passive checks judge by answers: those of HTTP, which gRPC's are too.
	passive := record("passive",
		kind("http", "https", "grpc", "grpcs"),
		record("healthy",
			statuses(200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308),
			failures("successes"),
		),
		record("unhealthy", statuses(429, 500, 503), failures("tcp_failures"), timeouts(), failures("http_failures")),
	)
	hash := func(name string) Field {
		return str(name).with(def("none")).with(oneOf(hashKinds...))
	}
	return &Schema{
		Name: "upstreams", Singular: "upstream", EndpointKey: "name",
		Fields: append([]Field{
			idField(),
			str("name").with(required).with(unique).with(match("upstream")),
			str("algorithm").with(def("round-robin")).with(oneOf("consistent-hashing", "least-connections", "round-robin", "latency")),
			hash("hash_on"), hash("hash_fallback"),
			str("hash_on_header").with(match("header")), str("hash_fallback_header").with(match("header")),
			str("hash_on_cookie").with(match("cookie")), str("hash_on_cookie_path").with(def("/")).with(match("service_path")),
			str("hash_on_query_arg"), str("hash_fallback_query_arg"), str("hash_on_uri_capture"), str("hash_fallback_uri_capture"),
			integer("slots", 10000).with(between(10, 65536)),
			record("healthchecks", active, passive, Field{Name: "threshold", Kind: Number, Default: 0, Between: &[2]float64{0, 100}}),
			tagsField(),
			str("host_header").with(match("host_port")),
			foreign("client_certificate", "certificates", ""),
			boolean("use_srv_name", false),
		}, stamps()...),
		Checks: []Check{{Run: hashFields}},
	}
}

// hashFields wants the header, cookie or argument that hash_on names, and a
// fallback that is another one.
func hashFields(r Record) map[string]any {
	errs := map[string]any{}
	for _, base := range []string{"hash_on", "hash_fallback"} {
		kind, _ := r[base].(string)
		needs := base + "_" + kind
		switch kind {
		case "cookie":
			needs = "hash_on_cookie" // of both
		case "header", "query_arg", "uri_capture":
		default:
			continue
		}
		if r[needs] == nil {
			conditional(errs, base, needs, "required field missing")
		}
	}
	on, _ := r["hash_on"].(string)
	fallback, _ := r["hash_fallback"].(string)
	switch {
	case fallback == "none" || fallback == "":
	case on == "none" || on == "cookie": // a client without the cookie is given one
		conditional(errs, "hash_on", "hash_fallback", "expected one of: none")
	case on == fallback && (on == "consumer" || on == "ip" || on == "path"):
		others := slices.DeleteFunc(slices.Clone(hashKinds), func(k any) bool { return k == on })
		conditional(errs, "hash_on", "hash_fallback", "expected one of: "+joined(others))
	}
	for _, what := range []string{"header", "query_arg", "uri_capture"} {
		a, b := "hash_on_"+what, "hash_fallback_"+what
		if r[a] != nil && r[a] == r[b] {
			list, _ := errs["@entity"].([]any)
			errs["@entity"] = append(list, fmt.Sprintf("values of these fields must be distinct: '%s', '%s'", a, b))
		}
	}
	return errs
}
