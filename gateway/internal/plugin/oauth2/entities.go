package oauth2

import (
	"net/url"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// The types of applications.
const (
	confidential = "confidential"
	public       = "public"
)

// credentials is the schema of the applications of consumers. The data plane gets
// them as entity.OAuth2Credential.
func credentials() *entity.Schema {
	return &entity.Schema{
		Name: "oauth2_credentials", Singular: "oauth2_credential", Path: "oauth2", NestedPath: "oauth2", EndpointKey: "client_id",
		Fields: plugin.CredentialFields(
			entity.Field{Name: "name", Kind: entity.String, Required: true},
			entity.Field{Name: "client_id", Kind: entity.String, Unique: true, Auto: true},
			entity.Field{Name: "client_secret", Kind: entity.String, Auto: true, Encrypted: true},
			entity.Field{Name: "hash_secret", Kind: entity.Boolean, Required: true, Default: false},
			entity.Field{Name: "redirect_uris", Kind: entity.Array, Elements: &entity.Field{Kind: entity.String}},
			entity.Field{
				Name: "client_type", Kind: entity.String, Required: true, Default: confidential, OneOf: []any{confidential, public},
			},
		),
		Before: func(r entity.Record) {
			for _, name := range []string{"client_id", "client_secret"} {
				if r[name] == nil {
					r[name] = plugin.NewSecret()
				}
			}
		},
		Checks: []entity.Check{{Run: checkRedirects}},
		Seal:   sealSecret,
	}
}

// checkRedirects wants URIs with scheme and host, and without a fragment.
func checkRedirects(r entity.Record) map[string]any {
	list, _ := r["redirect_uris"].([]any)
	messages := make([]any, len(list))
	bad := false
	for i, e := range list {
		text, _ := e.(string)
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.Scheme == "":
			messages[i], bad = "cannot parse '"+text+"'", true
		case u.Fragment != "":
			messages[i], bad = "fragment not allowed in '"+text+"'", true
		}
	}
	if !bad {
		return nil
	}
	return map[string]any{"redirect_uris": messages}
}

// sealSecret stores a hash where hash_secret says so. What is a hash already stays
// as it is: a client that sends back what it has read changes nothing.
func sealSecret(old, _, r entity.Record) map[string]any {
	secret, _ := r["client_secret"].(string)
	id, _ := r["id"].(string)
	switch hashed := r["hash_secret"] == true; {
	case hashed && !isHash(secret):
		r["client_secret"] = hashSecret(secret, id)
	case !hashed && old["hash_secret"] == true && secret == old["client_secret"]:
		return map[string]any{"client_secret": "is needed where hash_secret is turned off: only its hash is known"}
	}
	return nil
}

// tokens is the schema of the tokens that were issued. The data plane looks them up
// one by one, as entity.OAuth2Token.
func tokens() *entity.Schema {
	return &entity.Schema{
		Name: "oauth2_tokens", Singular: "oauth2_token", EndpointKey: "access_token", Expires: true, Transient: true,
		Fields: []entity.Field{
			{Name: "id", Kind: entity.String, Match: "uuid", Auto: true},
			{Name: "created_at", Kind: entity.Integer, Auto: true},
			{Name: "service", Kind: entity.Foreign, Reference: "services", OnDelete: "cascade"},
			{Name: "credential", Kind: entity.Foreign, Reference: "oauth2_credentials", OnDelete: "cascade", Required: true},
			{Name: "token_type", Kind: entity.String, Required: true, Default: bearer, OneOf: []any{bearer}},
			{Name: "expires_in", Kind: entity.Integer, Required: true, Between: &[2]float64{0, maxSeconds}},
			{Name: "access_token", Kind: entity.String, Unique: true, Auto: true, Encrypted: true},
			{Name: "refresh_token", Kind: entity.String, Unique: true, Encrypted: true},
			{Name: "authenticated_userid", Kind: entity.String},
			{Name: "scope", Kind: entity.String},
			{Name: "ttl", Kind: entity.Integer, Between: &[2]float64{0, maxSeconds}},
		},
		Before: func(r entity.Record) {
			if r["access_token"] == nil {
				r["access_token"] = plugin.NewSecret()
			}
		},
	}
}
