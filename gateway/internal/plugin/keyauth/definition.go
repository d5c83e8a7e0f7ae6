// Package keyauth is Kong's plugin key-auth: a consumer is known by a key in a
// header, the query or the body.
package keyauth

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin and its credentials.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "key-auth",
			NoConsumer: true, // the plugin is what finds the consumer
			Config: []entity.Field{
				{
					Name: "key_names", Kind: entity.Array, Elements: &entity.Field{Kind: entity.String, Match: "header"},
					Required: true, Default: []any{"apikey"}, LenMin: 1,
				},
				{Name: "hide_credentials", Kind: entity.Boolean, Required: true, Default: false},
				{Name: "anonymous", Kind: entity.String},
				{Name: "key_in_header", Kind: entity.Boolean, Required: true, Default: true},
				{Name: "key_in_query", Kind: entity.Boolean, Required: true, Default: true},
				{Name: "key_in_body", Kind: entity.Boolean, Required: true, Default: false},
				{Name: "run_on_preflight", Kind: entity.Boolean, Required: true, Default: true},
			},
		},
		Priority: 1250,
		Entities: []*entity.Schema{credentials()},
		New:      newPlugin,
	}
}

// credentials is the schema of the keys of consumers. The data plane gets them
// as entity.KeyAuth.
func credentials() *entity.Schema {
	return &entity.Schema{
		Name: "keyauth_credentials", Singular: "keyauth_credential", Path: "key-auths", NestedPath: "key-auth",
		EndpointKey: "key", Expires: true,
		Fields: plugin.CredentialFields(
			entity.Field{Name: "key", Kind: entity.String, Unique: true, Auto: true, Encrypted: true},
			entity.Field{Name: "ttl", Kind: entity.Integer, Between: &[2]float64{0, 100000000}},
		),
		Before: func(r entity.Record) {
			if r["key"] == nil {
				r["key"] = plugin.NewSecret()
			}
		},
	}
}
