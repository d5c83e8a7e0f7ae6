// Package basicauth is Kong's plugin basic-auth: a consumer is known by a name and
// a password (RFC 7617).
package basicauth

import (
	"crypto/sha1" //nolint:gosec // Kong's hash, see hash
	"encoding/hex"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin and its credentials.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "basic-auth",
			NoConsumer: true, // the plugin is what finds the consumer
			Config: []entity.Field{
				{Name: "anonymous", Kind: entity.String},
				{Name: "hide_credentials", Kind: entity.Boolean, Required: true, Default: false},
			},
		},
		Priority: 1100,
		Entities: []*entity.Schema{credentials()},
		New:      newPlugin,
	}
}

// credentials is the schema of the names and passwords of consumers. The data plane
// gets them as entity.BasicAuth.
func credentials() *entity.Schema {
	return &entity.Schema{
		Name: "basicauth_credentials", Singular: "basicauth_credential", Path: "basic-auths", NestedPath: "basic-auth",
		EndpointKey: "username",
		Fields: plugin.CredentialFields(
			entity.Field{Name: "username", Kind: entity.String, Required: true, Unique: true},
			entity.Field{Name: "password", Kind: entity.String, Required: true, Encrypted: true},
		),
		Seal: sealPassword,
	}
}

// sealPassword stores a hash. A client that sends back what it has read, the hash,
// changes nothing.
func sealPassword(old, sent, r entity.Record) map[string]any {
	password, given := sent["password"].(string)
	consumer := consumerOf(r)
	if had, ok := old["password"].(string); ok && (!given || password == had) {
		if consumer != consumerOf(old) {
			return map[string]any{"password": "is needed where the consumer changes: its hash has the consumer's id in it"}
		}
		return nil
	}
	r["password"] = hash(password, consumer)
	return nil
}

func consumerOf(r entity.Record) string {
	ref, _ := r["consumer"].(map[string]any)
	id, _ := ref["id"].(string)
	return id
}

// hash is Kong's: the hexadecimal SHA-1 of the password and the consumer's id. It
// is fast, also for who tries passwords on a stolen table; a slow one would cost
// as much with every request.
func hash(password, consumerID string) string {
	sum := sha1.Sum([]byte(password + consumerID)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}
