// Package hmacauth is Kong's plugin hmac-auth: a consumer is known by a signature
// of header fields, and of the body if that is wanted, with a shared secret.
package hmacauth

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin and its credentials.
func Definition() plugin.Definition {
	names := make([]any, 0, len(algorithms))
	for _, a := range algorithms {
		names = append(names, a.name)
	}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "hmac-auth",
			NoConsumer: true, // the plugin is what finds the consumer
			Config: []entity.Field{
				{Name: "hide_credentials", Kind: entity.Boolean, Required: true, Default: false},
				{Name: "clock_skew", Kind: entity.Number, Default: 300, Between: &[2]float64{0.001, entity.MaxTimeout}},
				{Name: "anonymous", Kind: entity.String},
				{Name: "validate_request_body", Kind: entity.Boolean, Required: true, Default: false},
				{Name: "enforce_headers", Kind: entity.Array, Default: []any{}, Elements: &entity.Field{Kind: entity.String}},
				{Name: "algorithms", Kind: entity.Array, Default: names, Elements: &entity.Field{Kind: entity.String, OneOf: names}},
			},
		},
		Priority: 1030,
		Entities: []*entity.Schema{credentials()},
		New:      newPlugin,
	}
}

// credentials is the schema of the secrets of consumers. The data plane gets them
// as entity.HMACAuth.
func credentials() *entity.Schema {
	return &entity.Schema{
		Name: "hmacauth_credentials", Singular: "hmacauth_credential", Path: "hmac-auths", NestedPath: "hmac-auth",
		EndpointKey: "username",
		Fields: plugin.CredentialFields(
			entity.Field{Name: "username", Kind: entity.String, Required: true, Unique: true},
			entity.Field{Name: "secret", Kind: entity.String, Auto: true, Encrypted: true},
		),
		Before: func(r entity.Record) {
			if r["secret"] == nil {
				r["secret"] = plugin.NewSecret()
			}
		},
	}
}
