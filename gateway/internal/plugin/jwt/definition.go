// Package jwt is Kong's plugin jwt: a consumer is known by a signed token (RFC
// 7519) that names one of its credentials.
package jwt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/jwks"
)

// maxExpiration is Kong's bound of maximum_expiration: a year, in seconds.
const maxExpiration = 31536000

// Definition declares the plugin and its credentials.
func Definition() plugin.Definition {
	s := &shared{jwks.NewRegistry()}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "jwt",
			NoConsumer: true, // the plugin is what finds the consumer
			Config: []entity.Field{
				names("uri_param_names", "", "jwt"),
				names("cookie_names", "cookie"),
				{Name: "key_claim_name", Kind: entity.String, Required: true, Default: "iss"},
				{Name: "secret_is_base64", Kind: entity.Boolean, Required: true, Default: false},
				{
					Name: "claims_to_verify", Kind: entity.Set,
					Elements: &entity.Field{Kind: entity.String, OneOf: []any{claimExp, claimNbf}},
				},
				{Name: "anonymous", Kind: entity.String},
				{Name: "run_on_preflight", Kind: entity.Boolean, Required: true, Default: true},
				{Name: "maximum_expiration", Kind: entity.Number, Default: 0, Between: &[2]float64{0, maxExpiration}},
				names("header_names", "header", "authorization"),
				{
					Name: "jwks_uris", Kind: entity.Map, Keys: &entity.Field{Kind: entity.String},
					Elements: &entity.Field{Kind: entity.String, Match: "url"},
				},
				{Name: "jwks_refresh", Kind: entity.Integer, Required: true, Default: 300, Between: &[2]float64{10, 86400}},
			},
			Checks: []entity.Check{{Run: expirationIsVerified}},
		},
		Priority: 1450,
		Entities: []*entity.Schema{credentials()},
		New:      s.newPlugin,
		InUse:    s.keep,
	}
}

func names(field, match string, defaults ...any) entity.Field {
	return entity.Field{
		Name: field, Kind: entity.Set, Required: true, Default: append([]any{}, defaults...),
		Elements: &entity.Field{Kind: entity.String, Match: match},
	}
}

// expirationIsVerified requires exp to be verified where its distance is bounded.
func expirationIsVerified(c entity.Record) map[string]any {
	bounded := false
	switch most := c["maximum_expiration"].(type) {
	case int64:
		bounded = most > 0
	case float64:
		bounded = most > 0
	}
	claims, _ := c["claims_to_verify"].([]any)
	if !bounded || slices.Contains(claims, any(claimExp)) {
		return nil
	}
	return map[string]any{"claims_to_verify": "must contain 'exp' when maximum_expiration is greater than 0"}
}

// credentials is the schema of the secrets and keys of consumers. The data plane
// gets them as entity.JWTSecret.
func credentials() *entity.Schema {
	algorithms := make([]any, 0, len(methods))
	for _, m := range methods {
		algorithms = append(algorithms, m.name)
	}
	return &entity.Schema{
		Name: "jwt_secrets", Singular: "jwt_secret", Path: "jwts", NestedPath: "jwt", EndpointKey: "key",
		Fields: plugin.CredentialFields(
			entity.Field{Name: "key", Kind: entity.String, Unique: true, Auto: true},
			entity.Field{Name: "secret", Kind: entity.String, Auto: true, Encrypted: true},
			entity.Field{Name: "rsa_public_key", Kind: entity.String},
			entity.Field{Name: "algorithm", Kind: entity.String, Required: true, Default: "HS256", OneOf: algorithms},
		),
		Before: func(r entity.Record) {
			for _, name := range []string{"key", "secret"} {
				if r[name] == nil {
					r[name] = plugin.NewSecret()
				}
			}
		},
		Checks: []entity.Check{{Run: checkPublicKey}},
	}
}

// checkPublicKey wants the key of an algorithm that has one. Others do not use it.
func checkPublicKey(r entity.Record) map[string]any {
	algorithm, _ := r["algorithm"].(string)
	m, ok := methodNamed(algorithm)
	if !ok || m.isShared() {
		return nil
	}
	text, _ := r["rsa_public_key"].(string)
	if strings.TrimSpace(text) == "" {
		return map[string]any{"rsa_public_key": fmt.Sprintf("required field missing: tokens of %s are verified with it", algorithm)}
	}
	if _, err := m.parse(text); err != nil {
		return map[string]any{"rsa_public_key": fmt.Sprintf("invalid key: %s", err)}
	}
	return nil
}
