package entity

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// PluginNames are the plugins whose configuration can be checked, sorted.
func PluginNames() []string {
	names := make([]string, 0, len(pluginTable))
	for _, p := range pluginTable {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// PluginSchema is the schema of a plugin's config.
func PluginSchema(name string) (*Schema, bool) {
	for _, p := range pluginTable {
		if p.Name == name {
			return p, true
		}
	}
	return nil, false
}

// DescribePlugin is what GET /schemas/plugins/{name} answers.
func DescribePlugin(p *Schema) map[string]any {
	c := Field{Name: "config", Kind: Rec, Required: true, Fields: p.Fields}
	consumer := describeField(&Field{Kind: Foreign, Reference: "consumers"})
	if p.NoConsumer {
		consumer["eq"] = nil // Kong's word for: must be null
	}
	return map[string]any{"fields": []any{
		map[string]any{"protocols": describeField(new(pluginProtocols()))},
		map[string]any{"consumer": consumer},
		map[string]any{"config": describeField(&c)},
	}}
}

var pluginTable = []*Schema{keyAuthPlugin(), prometheusPlugin(), proxyCachePlugin(), rateLimitingPlugin(), rateLimitingAdvancedPlugin()}

func keyAuthPlugin() *Schema {
	// Who the consumer is, is what the plugin finds out.
	return &Schema{Name: "key-auth", NoConsumer: true, Fields: []Field{
		listOf("key_names", str("").with(match("header"))).with(required).with(def([]any{"apikey"})).with(func(f *Field) { f.LenMin = 1 }),
		boolean("hide_credentials", false),
		str("anonymous"),
		boolean("key_in_header", true),
		boolean("key_in_query", true),
		boolean("key_in_body", false),
		boolean("run_on_preflight", true),
	}}
}

func prometheusPlugin() *Schema {
	return &Schema{Name: "prometheus", Fields: []Field{
		boolean("per_consumer", false),
		boolean("status_code_metrics", false),
		boolean("latency_metrics", false),
		boolean("bandwidth_metrics", false),
		boolean("upstream_health_metrics", false),
	}}
}

// maxDatabase is the highest number of a Redis database that is taken: more
// than any server is set up with.
const maxDatabase = 65535

// redisFields are a plugin's Redis; required says by the caller's check.
func redisFields() Field {
	return record("redis",
		str("host").with(match("host")).with(referenceable),
		integer("port", 6379).with(between(0, 65535)),
		integer("timeout", 2000).with(between(0, maxTimeout)),
		str("username").with(referenceable),
		str("password").with(referenceable).with(func(f *Field) { f.Encrypted = true }),
		integer("database", 0).with(between(0, maxDatabase)),
		boolean("ssl", false),
		boolean("ssl_verify", false),
		str("server_name").with(match("sni")).with(referenceable),
	)
}

func proxyCachePlugin() *Schema {
	return &Schema{
		Name: "proxy-cache",
		Fields: []Field{
			listOf("response_code", Field{Kind: Integer, Between: &[2]float64{100, 900}}).with(required).with(def([]any{200, 301, 404})),
			listOf("request_method", str("").with(oneOf("HEAD", "GET", "POST", "PATCH", "PUT"))).with(required).with(def([]any{"GET", "HEAD"})),
			listOf("content_type", str("").with(match("media_type"))).with(required).with(def([]any{"text/plain", "application/json"})),
			integer("cache_ttl", 300).with(between(1, maxTimeout)),
			str("strategy").with(required).with(def("memory")).with(oneOf("memory", "redis")),
			boolean("cache_control", false),
			boolean("ignore_uri_case", false),
			integer("storage_ttl", nil).with(between(1, maxTimeout)),
			record("memory", dictionary("kong_db_cache")),
			redisFields(),
			listOf("vary_query_params", str("")),
			listOf("vary_headers", str("").with(match("header"))),
			boolean("vary_consumer", true),
			record("response_headers", boolean("age", true), boolean("X-Cache-Status", true), boolean("X-Cache-Key", true)),
		},
		Checks: []Check{redisWanted("strategy")},
	}
}

// dictionary is the name of a shared memory zone of Kong's: the gateway has no
// such zones, and so none of another name.
func dictionary(name string) Field {
	return str("dictionary_name").with(required).with(def(name)).with(only(name, "the gateway has one memory store"))
}

// redisWanted requires redis.host where the field by says redis.
func redisWanted(by string) Check {
	return Check{Run: func(c Record) map[string]any {
		if c[by] != "redis" {
			return nil
		}
		if r, ok := c["redis"].(map[string]any); !ok || r["host"] == nil {
			return map[string]any{"redis": map[string]any{"host": "required field missing"}}
		}
		return nil
	}}
}

var periods = []string{"second", "minute", "hour", "day", "month", "year"}

func rateLimitingPlugin() *Schema {
	fields := []Field{}
	for _, p := range periods {
		fields = append(fields, Field{Name: p, Kind: Number, Between: &[2]float64{1, 1<<63 - 1}})
	}
	fields = append(fields,
		str("limit_by").with(def("consumer")).with(oneOf("consumer", "credential", "ip", "service", "header", "path", "consumer-group")),
		str("header_name").with(match("header")),
		str("path").with(match("service_path")),
		str("policy").with(def("local")).with(oneOf("local", "cluster", "redis")),
		boolean("fault_tolerant", true),
		redisFields(),
		boolean("hide_client_headers", false),
		errorCode(),
		str("error_message").with(def("API rate limit exceeded")),
		syncRate().with(required).with(def(-1)),
	)
	fields = append(fields, flatFields()...)
	return &Schema{Name: "rate-limiting", Fields: fields, Before: flatRedis, Patch: patchFlatRedis, Checks: []Check{
		{Describe: map[string]any{"at_least_one_of": []any{"second", "minute", "hour", "day", "month", "year"}}, Run: ascending},
		redisWanted("policy"), {Run: func(c Record) map[string]any {
			if c["policy"] == "cluster" {
				return map[string]any{"policy": "cluster is not supported: counting every request in the database is the bottleneck that redis avoids; expected one of: local, redis"}
			}
			return nil
		}}, limitByWants("limit_by"), {Run: patientSync},
	}}
}

// ascending wants at least one limit, none smaller than that of a shorter
// period.
func ascending(c Record) map[string]any {
	last, lastName, any1 := 0.0, "", false
	for _, p := range periods {
		v := c[p]
		if v == nil {
			continue
		}
		n := number(v)
		if any1 && n < last {
			return map[string]any{"@entity": []any{fmt.Sprintf("The limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)", p, n, lastName, last)}}
		}
		last, lastName, any1 = n, p, true
	}
	if !any1 {
		return map[string]any{"@entity": []any{"at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'"}}
	}
	return nil
}

// limitByWants requires header_name and path where the choice needs them.
func limitByWants(by string) Check {
	return Check{Run: func(c Record) map[string]any {
		if c[by] == "header" && c["header_name"] == nil {
			return map[string]any{"header_name": "required field missing"}
		}
		if c[by] == "path" && c["path"] == nil {
			return map[string]any{"path": "required field missing"}
		}
		return nil
	}}
}

func rateLimitingAdvancedPlugin() *Schema {
	return &Schema{
		Name: "rate-limiting-advanced",
		Fields: []Field{
			str("identifier").with(required).with(def("consumer")).with(oneOf("ip", "credential", "consumer", "service", "header", "path", "consumer-group")),
			listOf("window_size", integer("", nil).with(between(1, maxWindow))).with(required).with(someWindows),
			str("window_type").with(def("sliding")).with(oneOf("fixed", "sliding")),
			listOf("limit", integer("", nil).with(between(1, maxWhole))).with(required).with(someWindows),
			syncRate(),
			str("namespace").with(required).with(func(f *Field) { f.Auto = true }),
			str("strategy").with(required).with(def("local")).with(oneOf("cluster", "redis", "local")),
			dictionary("kong_rate_limiting_counters"),
			boolean("hide_client_headers", false),
			{Name: "retry_after_jitter_max", Kind: Number, Default: 0},
			str("header_name").with(match("header")),
			str("path").with(match("service_path")),
			redisFields(),
			boolean("disable_penalty", true).with(only(true, "a request that is refused counts nowhere")),
			errorCode(),
			str("error_message").with(def("API rate limit exceeded")),
		},
		Before: func(c Record) {
			if c["namespace"] == nil {
				c["namespace"] = uuid.NewString()
			}
		},
		Checks: []Check{redisWanted("strategy"), limitByWants("identifier"), {Run: pairedWindows}, {Run: patientSync}},
	}
}

func pairedWindows(c Record) map[string]any {
	limits, _ := c["limit"].([]any)
	sizes, _ := c["window_size"].([]any)
	if len(limits) != len(sizes) {
		return map[string]any{"@entity": []any{"You must provide the same number of windows and limits"}}
	}
	if c["strategy"] == "cluster" {
		return map[string]any{"strategy": "cluster is not supported; expected one of: local, redis"}
	}
	return nil
}
