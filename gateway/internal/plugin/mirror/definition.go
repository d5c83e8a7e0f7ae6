// Package mirror is the plugin mirror: it sends copies of requests to a second
// upstream, whose answers nothing waits for.
package mirror

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

const name = "mirror"

// Definition declares the plugin.
func Definition() plugin.Definition {
	s := &senders{of: map[target]*sender{}}
	number := func(name string, fallback int, least, most float64) entity.Field {
		return entity.Field{Name: name, Kind: entity.Integer, Required: true, Default: fallback, Between: &[2]float64{least, most}}
	}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name,
			Config: []entity.Field{
				{Name: "url", Kind: entity.String, Required: true, Match: "url"},
				{Name: "percentage", Kind: entity.Number, Required: true, Default: 100, Between: &[2]float64{0, 100}},
				{Name: "methods", Kind: entity.Array, Elements: &entity.Field{Kind: entity.String, Match: "method"}},
				number("max_body_bytes", 64<<10, 0, 1<<20),
				number("timeout", 5000, 1, entity.MaxTimeout),
				number("queue_entries", 1000, 1, 100_000),
				number("queue_bytes", 16<<20, 1<<10, 1<<30),
				number("connections", 8, 1, 256),
				{Name: "tls_verify", Kind: entity.Boolean, Required: true, Default: true},
				{Name: "header_name", Kind: entity.String, Match: "header", Required: true, Default: "X-Mirrored"},
			},
		},
		Priority:        3,
		New:             s.newPlugin,
		InUse:           s.keep,
		RegisterMetrics: declare,
	}
}
