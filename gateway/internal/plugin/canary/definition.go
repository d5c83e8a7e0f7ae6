// Package canary is the plugin canary: it sends a part of the requests to another
// upstream, chosen by a share, a header field, or the client.
package canary

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// The values of hash.
const (
	byConsumer = "consumer"
	byIP       = "ip"
	byHeader   = "header"
	byNothing  = "none"
	allow      = "allow"
	deny       = "deny"
)

// maxSteps is how many parts the requests are divided into at most.
const maxSteps = 1_000_000

// Definition declares the plugin. The fields are those of Kong Enterprise's plugin
// of this name. It runs before proxy-cache, which keeps the answers of the two
// upstreams apart.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "canary",
			Config: []entity.Field{
				{Name: "start", Kind: entity.Number, Between: &[2]float64{0, entity.MaxWhole}},
				{Name: "hash", Kind: entity.String, Default: byConsumer, OneOf: []any{byConsumer, byIP, byNothing, allow, deny, byHeader}},
				{Name: "duration", Kind: entity.Number, Default: 3600, Between: &[2]float64{1, entity.MaxTimeout}},
				{Name: "steps", Kind: entity.Number, Default: 1000, Between: &[2]float64{1, maxSteps}},
				{Name: "percentage", Kind: entity.Number, Between: &[2]float64{0, 100}},
				{Name: "upstream_host", Kind: entity.String, Match: "host"},
				{Name: "upstream_port", Kind: entity.Integer, Between: &[2]float64{1, 65535}},
				{Name: "upstream_uri", Kind: entity.String, Match: "service_path"},
				{
					Name: "upstream_fallback", Kind: entity.Boolean, Required: true, Default: false,
					Only: &entity.Only{Value: false, Why: "without a healthy target of the canary, the response is 503: add targets to its upstream"},
				},
				{Name: "groups", Kind: entity.Array, Elements: &entity.Field{Kind: entity.String}},
				{Name: "hash_header", Kind: entity.String, Match: "header"},
				{Name: "canary_by_header_name", Kind: entity.String, Match: "header"},
			},
			Checks: []entity.Check{{Run: check}},
		},
		Priority: 850,
		New:      newPlugin,
	}
}

func check(c entity.Record) map[string]any {
	errs := map[string]any{}
	if c["upstream_host"] == nil && c["upstream_port"] == nil && c["upstream_uri"] == nil {
		errs["@entity"] = []any{"at least one of these fields must be non-empty: 'upstream_host', 'upstream_port', 'upstream_uri'"}
	}
	groups, _ := c["groups"].([]any)
	switch hash := c["hash"]; {
	case hash == allow || hash == deny:
		if len(groups) == 0 {
			errs["groups"] = "required field missing: hash allow and deny go by groups"
		}
	case hash == byHeader && c["hash_header"] == nil:
		errs["hash_header"] = "required field missing"
	case c["percentage"] == nil && c["start"] == nil && c["canary_by_header_name"] == nil:
		errs["percentage"] = "required field missing, unless there is a start or a canary_by_header_name"
	}
	return errs
}
