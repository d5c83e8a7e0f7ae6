// Package ratelimiting is Kong's plugins rate-limiting (calendar windows) and
// rate-limiting-advanced (windows of any length, sliding or fixed). They differ
// in how their configuration becomes windows and rules.
package ratelimiting

import (
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

// priority is Kong's, of both.
const priority = 910

// Definition declares rate-limiting.
func Definition() plugin.Definition {
	const name = "rate-limiting"
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name, Config: plainFields(), Checks: plainChecks(),
			Normalize: flatRedis, NormalizePatch: patchFlatRedis,
		},
		Priority:        priority,
		New:             newPlain,
		RegisterMetrics: registerMetrics(name),
	}
}

// Advanced declares rate-limiting-advanced.
func Advanced() plugin.Definition {
	const name = "rate-limiting-advanced"
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name, Config: advancedFields(), Checks: advancedChecks(),
			Normalize: func(c entity.Record) {
				if c["namespace"] == nil {
					c["namespace"] = uuid.NewString()
				}
			},
		},
		Priority:        priority,
		New:             newAdvanced,
		RegisterMetrics: registerMetrics(name),
	}
}

// registerMetrics exports, with 0, the counters that alerts read: the first
// requests that pass unlimited are an increase then, and not where a series
// begins.
func registerMetrics(name string) func(prometheus.Registerer) error {
	return func(reg prometheus.Registerer) error { return new(rateLimiting).resolveCounters(name, reg) }
}

// What the counters can count. The data plane refuses the rest, and with it the
// whole configuration: what it would refuse must not be stored.
const (
	maxWindow = 1<<31 - 1 // seconds, 68 years
	maxSync   = 86400     // seconds
	leastSync = 0.02      // seconds between two exchanges: shorter ones would do nothing else
)

var periods = []string{"second", "minute", "hour", "day", "month", "year"}

func plainFields() []entity.Field {
	var fields []entity.Field
	for _, p := range periods {
		fields = append(fields, entity.Field{Name: p, Kind: entity.Number, Between: &[2]float64{1, 1<<63 - 1}})
	}
	sync := syncRate()
	sync.Required, sync.Default = true, -1
	fields = append(fields,
		limitBy("limit_by"), headerField(), pathField(),
		entity.Field{Name: "policy", Kind: entity.String, Default: "local", OneOf: []any{"local", "cluster", "redis", "leased"}},
		entity.Field{Name: "fault_tolerant", Kind: entity.Boolean, Required: true, Default: true},
		redisconfig.Field(),
		hideHeaders(), errorCode(), errorMessage(), sync,
	)
	return append(append(fields, flatFields()...), ownFields()...)
}

func advancedFields() []entity.Field {
	identifier := limitBy("identifier")
	identifier.Required = true
	seconds := entity.Field{Kind: entity.Integer, Between: &[2]float64{1, maxWindow}}
	requests := entity.Field{Kind: entity.Integer, Between: &[2]float64{1, entity.MaxWhole}}
	windows := func(name string, of *entity.Field) entity.Field {
		return entity.Field{Name: name, Kind: entity.Array, Elements: of, Required: true, LenMin: 1, LenMax: limit.MaxWindows}
	}
	const dictionary = "kong_rate_limiting_counters"
	fields := []entity.Field{
		identifier,
		windows("window_size", &seconds),
		{Name: "window_type", Kind: entity.String, Default: "sliding", OneOf: []any{"fixed", "sliding", tokenBucket}},
		windows("limit", &requests),
		{Name: "burst", Kind: entity.Array, Elements: &requests, LenMin: 1, LenMax: limit.MaxWindows},
		syncRate(),
		{Name: "namespace", Kind: entity.String, Required: true, Auto: true},
		{Name: "strategy", Kind: entity.String, Required: true, Default: "local", OneOf: []any{"cluster", "redis", "local", "leased"}},
		// Kong's name of a shared memory zone: the gateway has no such zones.
		{
			Name: "dictionary_name", Kind: entity.String, Required: true, Default: dictionary,
			Only: &entity.Only{Value: dictionary, Why: "the gateway has one memory store"},
		},
		hideHeaders(),
		{Name: "retry_after_jitter_max", Kind: entity.Number, Default: 0},
		headerField(), pathField(),
		redisconfig.Field(),
		{
			Name: "disable_penalty", Kind: entity.Boolean, Required: true, Default: true,
			Only: &entity.Only{Value: true, Why: "a rejected request is not counted"},
		},
		errorCode(), errorMessage(),
	}
	return append(fields, ownFields()...)
}

// limitBy says whose requests are counted together.
func limitBy(name string) entity.Field {
	return entity.Field{
		Name: name, Kind: entity.String, Default: "consumer",
		OneOf: []any{"consumer", "credential", "ip", "service", "header", "path", "consumer-group"},
	}
}

// headerField and pathField are what limitBy may refer to.
func headerField() entity.Field {
	return entity.Field{Name: "header_name", Kind: entity.String, Match: "header"}
}

func pathField() entity.Field {
	return entity.Field{Name: "path", Kind: entity.String, Match: "service_path"}
}

func hideHeaders() entity.Field {
	return entity.Field{Name: "hide_client_headers", Kind: entity.Boolean, Required: true, Default: false}
}

// errorCode is the status of a refused request.
func errorCode() entity.Field {
	return entity.Field{Name: "error_code", Kind: entity.Integer, Default: 429, Between: &[2]float64{100, 999}}
}

func errorMessage() entity.Field {
	return entity.Field{Name: "error_message", Kind: entity.String, Default: "API rate limit exceeded"}
}

// syncRate is how often counters are exchanged with Redis, in seconds; 0 and
// less are modes of their own.
func syncRate() entity.Field {
	return entity.Field{Name: "sync_rate", Kind: entity.Number, Between: &[2]float64{-1, maxSync}}
}
