// Package oauth2 is Kong's plugin oauth2: it issues bearer tokens (RFC 6749, RFC
// 6750) to applications of consumers, and knows a consumer by one.
package oauth2

import (
	"runtime"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// maxSeconds is the longest time that a token may last.
const maxSeconds = 100_000_000

// otherGrant is why a grant is refused.
const otherGrant = "only the grants client_credentials and refresh_token are supported; " +
	"for others, use an authorization server, and jwt for its tokens"

// Definition declares the plugin, its credentials and its tokens.
func Definition() plugin.Definition {
	s := &shared{
		found:    newTokenCache(),
		hashing:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		querying: make(chan struct{}, maxQueries),
	}
	grant := func(name string) entity.Field {
		return entity.Field{
			Name: name, Kind: entity.Boolean, Required: true, Default: false, Only: &entity.Only{Value: false, Why: otherGrant},
		}
	}
	flag := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Boolean, Required: true, Default: false}
	}
	seconds := func(name string, fallback int64) entity.Field {
		return entity.Field{
			Name: name, Kind: entity.Number, Required: true, Default: fallback, Between: &[2]float64{0, maxSeconds},
		}
	}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "oauth2",
			NoConsumer: true, // the plugin is what finds the consumer
			Config: []entity.Field{
				{Name: "scopes", Kind: entity.Array, Elements: &entity.Field{Kind: entity.String}},
				flag("mandatory_scope"),
				{Name: "provision_key", Kind: entity.String, Required: true, Auto: true, Encrypted: true},
				seconds("token_expiration", 7200),
				grant("enable_authorization_code"),
				grant("enable_implicit_grant"),
				flag("enable_client_credentials"),
				grant("enable_password_grant"),
				flag("hide_credentials"),
				flag("accept_http_if_already_terminated"),
				{Name: "anonymous", Kind: entity.String},
				flag("global_credentials"),
				{Name: "auth_header_name", Kind: entity.String, Match: "header", Default: "authorization"},
				seconds("refresh_token_ttl", 1209600),
				flag("reuse_refresh_token"),
				{Name: "pkce", Kind: entity.String, Default: "lax", OneOf: []any{"none", "lax", "strict"}},
			},
			Checks: []entity.Check{{Run: checkGrants}, {Run: checkScopes}},
			Normalize: func(c entity.Record) {
				if c["provision_key"] == nil {
					c["provision_key"] = plugin.NewSecret()
				}
			},
		},
		Priority: 1400,
		Entities: []*entity.Schema{credentials(), tokens()},
		New:      s.newPlugin,
		InUse: func(plugins []plugin.Plugin) {
			if len(plugins) == 0 {
				s.found.clear()
			}
		},
	}
}

// checkGrants is Kong's: a plugin without any would issue nothing.
func checkGrants(c entity.Record) map[string]any {
	if c["enable_client_credentials"] == true {
		return nil
	}
	return map[string]any{"@entity": []any{"at least one of these fields must be true: enable_authorization_code, " +
		"enable_implicit_grant, enable_client_credentials, enable_password_grant; this gateway has enable_client_credentials"}}
}

func checkScopes(c entity.Record) map[string]any {
	if scopes, _ := c["scopes"].([]any); c["mandatory_scope"] == true && len(scopes) == 0 {
		return map[string]any{"scopes": "required field missing"}
	}
	return nil
}
