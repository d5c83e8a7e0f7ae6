// Package proxycache is Kong's plugin proxy-cache: responses are stored, and
// requests answered from the store, as RFC 9111 has it.
//
// It stores in the header filter, not in a body filter: a body filter gets the
// whole body before the client gets any of it, and a response is to be stored
// while it passes. So the header filter puts a spool in the place of the body's
// stream. What is stored is the upstream's body, before any body filter: those
// of plugins that run earlier filter it again on a hit. Plugins that run later
// are not asked on a hit, as behind any plugin that answers.
package proxycache

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "proxy-cache", Config: fields(), Checks: []entity.Check{redisconfig.Required("strategy"), redisconfig.NoCluster(noCluster)},
		},
		Priority: 100,
		New:      newPlugin,
	}
}

func fields() []entity.Field {
	statuses := entity.Field{Kind: entity.Integer, Between: &[2]float64{100, 900}}
	methods := entity.Field{Kind: entity.String, OneOf: []any{"HEAD", "GET", "POST", "PATCH", "PUT"}}
	mediaTypes := entity.Field{Kind: entity.String, Match: "media_type"}
	seconds := &[2]float64{1, entity.MaxTimeout}
	shown := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Boolean, Required: true, Default: true}
	}
	return []entity.Field{
		// Unset, these and cache_ttl depend on cache_control: see config.complete.
		{Name: "response_code", Kind: entity.Array, Elements: &statuses},
		{Name: "request_method", Kind: entity.Array, Elements: &methods, Required: true, Default: []any{"GET", "HEAD"}},
		{Name: "content_type", Kind: entity.Array, Elements: &mediaTypes},
		{Name: "cache_ttl", Kind: entity.Integer, Between: seconds},
		{Name: "error_ttl", Kind: entity.Integer, Required: true, Default: defaultErrorTTL, Between: seconds},
		{Name: "strategy", Kind: entity.String, Required: true, Default: "memory", OneOf: []any{"memory", "redis"}},
		{Name: "cache_control", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "store_private", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "stale_while_revalidate", Kind: entity.Integer, Between: seconds},
		{Name: "stale_if_error", Kind: entity.Integer, Between: seconds},
		{Name: "ignore_uri_case", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "strip_tags", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "storage_ttl", Kind: entity.Integer, Between: seconds},
		// Kong's name of a shared memory zone: the gateway has no such zones, and so
		// none of another name.
		{Name: "memory", Kind: entity.Rec, Required: true, Fields: []entity.Field{{
			Name: "dictionary_name", Kind: entity.String, Required: true, Default: "kong_db_cache",
			Only: &entity.Only{Value: "kong_db_cache", Why: "the gateway has one memory store"},
		}}},
		redisconfig.Field(),
		{Name: "vary_query_params", Kind: entity.Array, Elements: &entity.Field{Kind: entity.String}},
		{Name: "vary_headers", Kind: entity.Array, Elements: &entity.Field{Kind: entity.String, Match: "header"}},
		{Name: "vary_consumer", Kind: entity.Boolean, Required: true, Default: true},
		{Name: "response_headers", Kind: entity.Rec, Required: true, Fields: []entity.Field{
			shown("age"), shown("X-Cache-Status"), shown("X-Cache-Key"), shown("Cache-Status"),
		}},
	}
}

// noCluster is why entries are not stored in a Redis Cluster.
const noCluster = "proxy-cache is not supported on a Redis Cluster: an entry, its lease and the purge rules are read in one step, " +
	"and would be on different nodes; want a host, or Sentinels"
