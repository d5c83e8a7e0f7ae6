// Package mtlsauth is Kong's plugin mtls-auth: a consumer is known by the certificate that
// the client shows in the TLS handshake.
package mtlsauth

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// What of a consumer a name in the certificate is compared with.
const (
	byUsername = "username"
	byCustomID = "custom_id"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "mtls-auth",
			NoConsumer: true, // the plugin is what finds the consumer
			Config: []entity.Field{
				{Name: "anonymous", Kind: entity.String},
				{
					Name: "ca_certificates", Kind: entity.Array, Required: true, LenMin: 1,
					Elements: &entity.Field{Kind: entity.String, Match: "uuid"},
				},
				{
					Name: "consumer_by", Kind: entity.Array, Default: []any{byUsername, byCustomID},
					Elements: &entity.Field{Kind: entity.String, OneOf: []any{byUsername, byCustomID}},
				},
				{Name: "skip_consumer_lookup", Kind: entity.Boolean, Required: true, Default: false},
				{
					Name: "revocation_check_mode", Kind: entity.String, Default: "SKIP",
					OneOf: []any{"SKIP", "IGNORE_CA_ERROR", "STRICT"},
					Only:  &entity.Only{Value: "SKIP", Why: "revocation is not checked: use certificates with a short lifetime"},
				},
			},
		},
		Priority: 1600,
		New:      newPlugin,
	}
}
