// Package openidbearer is the plugin openid-bearer: it takes the bearer tokens of an
// OpenID provider, by its keys or by asking it (RFC 7662).
package openidbearer

import (
	"net/url"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// The values of introspection.
const (
	never  = "never"
	opaque = "opaque" // of tokens that are no JWT
	always = "always"
)

var algorithms = []any{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Definition declares the plugin.
func Definition() plugin.Definition {
	s := newShared()
	address := func(name string) entity.Field { return entity.Field{Name: name, Kind: entity.String, Match: "url"} }
	texts := func(name string, fallback ...any) entity.Field {
		f := entity.Field{Name: name, Kind: entity.Array, Elements: &entity.Field{Kind: entity.String}}
		if fallback != nil {
			f.Default = fallback
		}
		return f
	}
	flag := func(name string, fallback bool) entity.Field {
		return entity.Field{Name: name, Kind: entity.Boolean, Required: true, Default: fallback}
	}
	seconds := func(name string, fallback int, least, most float64) entity.Field {
		return entity.Field{Name: name, Kind: entity.Integer, Required: true, Default: fallback, Between: &[2]float64{least, most}}
	}
	issuer := address("issuer")
	issuer.Required = true
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "openid-bearer",
			NoConsumer: true, // the plugin is what finds the consumer
			Config: []entity.Field{
				issuer,
				flag("discovery", true),
				address("jwks_uri"), address("introspection_endpoint"),
				texts("allowed_hosts"),
				texts("audiences"),
				texts("scopes_required"),
				{
					Name: "algorithms", Kind: entity.Array, Required: true, LenMin: 1, Default: algorithms,
					Elements: &entity.Field{Kind: entity.String, OneOf: algorithms},
				},
				seconds("leeway", 0, 0, 300),
				{Name: "introspection", Kind: entity.String, Required: true, Default: never, OneOf: []any{never, opaque, always}},
				{Name: "client_id", Kind: entity.String, Referenceable: true},
				{Name: "client_secret", Kind: entity.String, Referenceable: true, Encrypted: true},
				seconds("introspection_ttl", 30, 0, 3600),
				{Name: "consumer_claim", Kind: entity.String, Required: true, Default: "sub"},
				{
					Name: "consumer_by", Kind: entity.Array, Required: true, LenMin: 1, Default: []any{"custom_id"},
					Elements: &entity.Field{Kind: entity.String, OneOf: []any{"custom_id", "username", "id"}},
				},
				flag("consumer_optional", false),
				{Name: "anonymous", Kind: entity.String},
				{Name: "header_name", Kind: entity.String, Match: "header", Required: true, Default: "authorization"},
				flag("hide_credentials", false),
				flag("run_on_preflight", true),
				seconds("refresh", 300, 10, 86400),
			},
			Checks: []entity.Check{{Run: checkSources}},
		},
		Priority: 1050,
		New:      s.newPlugin,
		InUse:    s.keep,
	}
}

// checkSources wants what a token is checked with to be known.
func checkSources(c entity.Record) map[string]any {
	errs := map[string]any{}
	if u, err := url.Parse(textOf(c["issuer"])); err != nil || u.RawQuery != "" || u.Fragment != "" {
		errs["issuer"] = "must have neither a query nor a fragment"
	}
	asks := c["introspection"] != never
	if asks && c["client_id"] == nil {
		errs["client_id"] = "required field missing: the introspection endpoint wants it"
	}
	if c["discovery"] == false {
		if asks && c["introspection_endpoint"] == nil {
			errs["introspection_endpoint"] = "required field missing: discovery is off"
		}
		if c["introspection"] != always && c["jwks_uri"] == nil {
			errs["jwks_uri"] = "required field missing: discovery is off"
		}
	}
	return errs
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}
