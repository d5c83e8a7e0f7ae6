package proxy

import (
	"strings"

	"gatelab/gateway/internal/entity"
)

// fieldOptions are plugin options that hold names of request fields.
var fieldOptions = []string{"key_names", "vary_headers", "header_name", "header_names"}

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
func configuredFields(cfg *entity.Config) map[string]bool {
	names := map[string]bool{}
	add := func(value any) {
		switch value := value.(type) {
		case string:
			names[strings.ToLower(value)] = true
		case []any:
			for _, item := range value {
				if name, ok := item.(string); ok {
					names[strings.ToLower(name)] = true
				}
			}
		}
	}
	for i := range cfg.Routes {
		for name := range cfg.Routes[i].Headers {
			add(name)
		}
	}
	for i := range cfg.Plugins {
		for _, option := range fieldOptions {
			add(cfg.Plugins[i].Config[option])
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
