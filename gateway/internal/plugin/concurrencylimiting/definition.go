// Package concurrencylimiting is the plugin concurrency-limiting: it limits how many requests of a client, or to a service or a route, are
// in flight at a time.
package concurrencylimiting

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

const name = "concurrency-limiting"

// Definition declares the plugin. What is in flight outlives configurations.
func Definition() plugin.Definition {
	flights := newCounter()
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name, Config: fields(), Checks: []entity.Check{{Run: check}, redisconfig.Required("policy")},
		},
		Priority: 907, // below rate-limiting's: what is refused there is not in flight
		New: func(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
			return newPlugin(c, d, flights)
		},
		RegisterMetrics: func(reg prometheus.Registerer) error {
			_, err := newMetrics(reg, flights)
			return err
		},
	}
}

func fields() []entity.Field {
	return []entity.Field{
		{Name: "limit", Kind: entity.Integer, Required: true, Between: &[2]float64{1, 1_000_000}},
		{Name: "limit_by", Kind: entity.String, Required: true, Default: "consumer", OneOf: identities},
		{Name: "header_name", Kind: entity.String, Match: "header"},
		{Name: "policy", Kind: entity.String, Required: true, Default: "local", OneOf: []any{"local", inRedis}},
		redisconfig.Field(),
		{Name: "ipv6_prefix", Kind: entity.Integer, Required: true, Default: plugin.WholeAddress, Between: &[2]float64{1, plugin.WholeAddress}},
		{Name: "retry_after", Kind: entity.Integer, Required: true, Default: 1, Between: &[2]float64{0, 3600}},
		{Name: "dry_run", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "error_code", Kind: entity.Integer, Required: true, Default: 429, Between: &[2]float64{400, 599}},
		{Name: "error_message", Kind: entity.String, Required: true, Default: "Too many requests in flight"},
	}
}

// identities are the values of limit_by.
var identities = []any{byConsumer, byCredential, byIP, byService, byRoute, byHeader}

func check(c entity.Record) map[string]any {
	if c["limit_by"] == byHeader && c["header_name"] == nil {
		return map[string]any{"header_name": "required field missing with limit_by " + byHeader}
	}
	return nil
}
