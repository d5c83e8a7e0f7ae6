// Package prometheus is Kong's plugin of that name: it exports Kong's metrics
// under Kong's names.
package prometheus

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin. What its plugins share lasts as long as the
// definition: a process needs one.
func Definition() plugin.Definition {
	flag := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Boolean, Required: true, Default: false}
	}
	e := &exporter{}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{Name: "prometheus", Config: []entity.Field{
			flag("per_consumer"), flag("status_code_metrics"), flag("latency_metrics"), flag("bandwidth_metrics"),
			flag("upstream_health_metrics"),
		}},
		Priority: 13,
		New:      e.newPlugin,
		InUse:    e.use,
	}
}
