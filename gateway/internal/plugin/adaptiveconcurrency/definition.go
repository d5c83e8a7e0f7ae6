// Package adaptiveconcurrency is the plugin adaptive-concurrency: it finds out how many requests an upstream can work on at a time without
// becoming slow, and refuses those beyond it at once, the least important ones first.
package adaptiveconcurrency

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

const name = "adaptive-concurrency"

// maxLimit is the highest limit that can be configured.
const maxLimit = 100_000

// Definition declares the plugin. What is known of upstreams outlives configurations.
func Definition() plugin.Definition {
	known := &upstreams{of: map[target]*limiter{}}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{Name: name, Config: fields(), Checks: []entity.Check{{Run: checkLimits}, {Run: checkPriorities}}},
		Priority:     95, // below proxy-cache's: what the cache answers does not reach the upstream
		New: func(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
			return newPlugin(c, d, known)
		},
		RegisterMetrics: func(reg prometheus.Registerer) error {
			_, err := newMetrics(reg)
			return err
		},
		InUse: func([]plugin.Plugin) { known.forget() },
	}
}

func fields() []entity.Field {
	limit := func(name string, fallback int) entity.Field {
		return entity.Field{Name: name, Kind: entity.Integer, Required: true, Default: fallback, Between: &[2]float64{1, maxLimit}}
	}
	names := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Set, Elements: &entity.Field{Kind: entity.String}}
	}
	share := func(name string, fallback int) entity.Field {
		return entity.Field{Name: name, Kind: entity.Integer, Required: true, Default: fallback, Between: &[2]float64{1, 100}}
	}
	return []entity.Field{
		limit("min_limit", 4), limit("initial_limit", 64), limit("max_limit", 4096),
		{Name: "latency_tolerance", Kind: entity.Number, Required: true, Default: 1.5, Between: &[2]float64{1.1, 10}},
		{Name: "priority", Kind: entity.String, Required: true, Default: priorities[normal], OneOf: []any{"high", "normal", "low"}},
		{Name: "priority_header", Kind: entity.String, Match: "header"},
		names("high_consumers"), names("low_consumers"),
		share("normal_share", 90), share("low_share", 60),
		{Name: "retry_after", Kind: entity.Integer, Required: true, Default: 1, Between: &[2]float64{0, 3600}},
		{Name: "dry_run", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "error_code", Kind: entity.Integer, Required: true, Default: 503, Between: &[2]float64{400, 599}},
		{Name: "error_message", Kind: entity.String, Required: true, Default: "The upstream has too many requests in flight"},
	}
}

func checkLimits(c entity.Record) map[string]any {
	least, _ := c["min_limit"].(int64)
	first, _ := c["initial_limit"].(int64)
	most, _ := c["max_limit"].(int64)
	if least > first || first > most {
		return map[string]any{"initial_limit": "want min_limit, initial_limit and max_limit in ascending order"}
	}
	return nil
}

func checkPriorities(c entity.Record) map[string]any {
	above, _ := c["normal_share"].(int64)
	if below, _ := c["low_share"].(int64); below > above {
		return map[string]any{"low_share": "want at most normal_share"}
	}
	high, _ := c["high_consumers"].([]any)
	low, _ := c["low_consumers"].([]any)
	for _, who := range high {
		if slices.Contains(low, who) {
			return map[string]any{"low_consumers": "a consumer is in high_consumers, too"}
		}
	}
	return nil
}
