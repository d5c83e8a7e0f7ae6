// Package airatelimiting is the plugin ai-rate-limiting: it limits the tokens of language models that clients use, rather than their
// requests. Tokens are estimated when a request comes, and put right by the usage that the answer tells.
package airatelimiting

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

const (
	name = "ai-rate-limiting"
	// maxWindows bounds the windows of a plugin, as rate-limiting-advanced does.
	maxWindows = 6
	// maxWindow is the longest window, in seconds: 400 days.
	maxWindow = 400 * 86400
	// maxLimit is the largest limit, in tokens: Redis' scripts count exactly below 2^53.
	maxLimit = 1 << 50
)

// Definition declares the plugin. What is counted in memory outlives configurations.
func Definition() plugin.Definition {
	local := newMemory(time.Now)
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{Name: name, Config: fields(), Checks: checks()},
		Priority:     905, // below rate-limiting's: what is refused there reserves no tokens
		New: func(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
			return newPlugin(c, d, local)
		},
		RegisterMetrics: func(reg prometheus.Registerer) error {
			_, err := newMetrics(reg)
			return err
		},
	}
}

func fields() []entity.Field {
	seconds := entity.Field{Kind: entity.Integer, Between: &[2]float64{1, maxWindow}}
	tokens := entity.Field{Kind: entity.Integer, Between: &[2]float64{1, maxLimit}}
	windows := func(name string, of *entity.Field) entity.Field {
		return entity.Field{Name: name, Kind: entity.Array, Elements: of, Required: true, LenMin: 1, LenMax: maxWindows}
	}
	return []entity.Field{
		windows("limit", &tokens),
		windows("window_size", &seconds),
		{
			Name: "tokens_count_strategy", Kind: entity.String, Required: true, Default: "total_tokens",
			OneOf: []any{"total_tokens", "prompt_tokens", "completion_tokens"},
		},
		{
			Name: "identifier", Kind: entity.String, Required: true, Default: "consumer",
			OneOf: []any{"consumer", "credential", "ip", "service", "header"},
		},
		{Name: "header_name", Kind: entity.String, Match: "header"},
		{Name: "per_model", Kind: entity.Boolean, Required: true, Default: true},
		{Name: "bytes_per_token", Kind: entity.Number, Required: true, Default: 4, Between: &[2]float64{0.1, 1000}},
		{Name: "default_completion_tokens", Kind: entity.Integer, Required: true, Default: 256, Between: &[2]float64{0, 1 << 30}},
		{Name: "strategy", Kind: entity.String, Required: true, Default: "local", OneOf: []any{"local", "redis"}},
		redisconfig.Field(),
		{Name: "fault_tolerant", Kind: entity.Boolean, Required: true, Default: true},
		{Name: "dry_run", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "hide_client_headers", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "error_code", Kind: entity.Integer, Required: true, Default: 429, Between: &[2]float64{400, 599}},
		{Name: "error_message", Kind: entity.String, Required: true, Default: "AI token rate limit exceeded"},
	}
}

func checks() []entity.Check {
	return []entity.Check{
		redisconfig.Required("strategy"),
		{Run: func(c entity.Record) map[string]any {
			limits, _ := c["limit"].([]any)
			sizes, _ := c["window_size"].([]any)
			if len(limits) != len(sizes) {
				return map[string]any{"window_size": "must have as many elements as limit"}
			}
			if c["identifier"] == "header" && c["header_name"] == nil {
				return map[string]any{"header_name": "required field missing"}
			}
			return nil
		}},
	}
}
