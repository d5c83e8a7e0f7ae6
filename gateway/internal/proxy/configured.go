package proxy

import (
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// squeezedFields are the names of fields without their marks, see squeeze.
func squeezedFields(fields map[string]bool) map[string]bool {
	out := make(map[string]bool, len(fields))
	for name := range fields {
		out[squeeze([]byte(name))] = true
	}
	return out
}

// configuredFields are the names, in lower case, of the request fields that
// routes, plugins and balancers of a configuration decide by: no Connection
// field may take them off.
func configuredFields(cfg *entity.Config, plugins *plugin.Set) map[string]bool {
	names := map[string]bool{}
	add := func(name string) { names[strings.ToLower(name)] = true }
	for i := range cfg.Routes {
		for name := range cfg.Routes[i].Headers {
			add(name)
		}
	}
	for i := range cfg.Plugins {
		for _, name := range plugins.RequestFields(&cfg.Plugins[i]) {
			add(name)
		}
	}
	for i := range cfg.Upstreams {
		add(cfg.Upstreams[i].HashOnHeader)
		add(cfg.Upstreams[i].HashFallbackHeader)
	}
	delete(names, "")
	delete(names, "connection")
	return names
}
