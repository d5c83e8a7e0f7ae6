package jwt

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

var uses = entitytest.Uses{
	"jwt_secrets.id":             "..: ID",
	"jwt_secrets.consumer":       "..: .Consumer",
	"jwt_secrets.key":            ".: Secret.Key",
	"jwt_secrets.secret":         ".: s.Secret",
	"jwt_secrets.rsa_public_key": ".: s.RSAPublicKey",
	"jwt_secrets.algorithm":      ".: s.Algorithm",
	"jwt_secrets.created_at":     "kept",
	"jwt_secrets.tags":           "kept",
	"jwt.uri_param_names":        `.: json:"uri_param_names" + .URIParamNames`,
	"jwt.cookie_names":           `.: json:"cookie_names" + .CookieNames`,
	"jwt.header_names":           `.: json:"header_names" + .HeaderNames`,
	"jwt.key_claim_name":         `.: json:"key_claim_name" + .KeyClaimName`,
	"jwt.secret_is_base64":       `.: json:"secret_is_base64" + .SecretIsBase64`,
	"jwt.claims_to_verify":       `.: json:"claims_to_verify" + .ClaimsToVerify`,
	"jwt.anonymous":              `.: json:"anonymous" + .Anonymous`,
	"jwt.run_on_preflight":       `.: json:"run_on_preflight" + .RunOnPreflight`,
	"jwt.jwks_uris":              ".: a.JWKSURIs",
	"jwt.jwks_refresh":           ".: a.JWKSRefresh",
	"jwt.maximum_expiration":     `.: json:"maximum_expiration" + .MaximumExpiration`,
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"jwt": Definition().Config, "jwt_secrets": credentials().Fields}, nil)
}

func TestDefaults(t *testing.T) {
	r, err := entitytest.Insert(t, plugin.NewSet(Definition()).Catalog(), "plugins", `{"name":"jwt"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"uri_param_names": []any{"jwt"}, "cookie_names": []any{}, "header_names": []any{"authorization"}, "key_claim_name": "iss",
		"secret_is_base64": false, "claims_to_verify": nil, "anonymous": nil, "run_on_preflight": true, "maximum_expiration": int64(0),
		"jwks_uris": nil, "jwks_refresh": int64(300),
	}
	if !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config\n%v\nwant\n%v", r["config"], want)
	}
	if p := Definition().Priority; p != 1450 {
		t.Errorf("priority %d is not Kong's", p)
	}
}

func TestRefusedConfigurations(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	for config, want := range map[string]string{
		`{"claims_to_verify":["iat"]}`:                            "config.claims_to_verify: expected one of: exp, nbf",
		`{"maximum_expiration":10}`:                               "config.claims_to_verify: must contain 'exp'",
		`{"maximum_expiration":0.5,"claims_to_verify":["nbf"]}`:   "config.claims_to_verify: must contain 'exp'",
		`{"maximum_expiration":-1}`:                               "config.maximum_expiration: value should be between 0 and 31536000",
		`{"header_names":["a b"]}`:                                "config.header_names: bad header name 'a b'",
		`{"cookie_names":["a;b"]}`:                                "config.cookie_names: invalid cookie name 'a;b'",
		`{"key_claim_name":""}`:                                   "config.key_claim_name: length must be at least 1",
		`{"realm":"x"}`:                                           "config.realm: unknown field",
		`{"jwks_uris":{"iss":"no url"}}`:                          "config.jwks_uris: ",
		`{"jwks_refresh":1}`:                                      "config.jwks_refresh: value should be between 10 and 86400",
		`{"maximum_expiration":31536001,"claims_to_verify":null}`: "config.maximum_expiration: value should be between",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"jwt","config":`+config+`}`)
		entitytest.Refused(t, err, want)
	}
}

func TestCredentials(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	insert := func(fields map[string]any) (entity.Record, error) {
		fields["consumer"] = map[string]any{"id": "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}
		body, _ := json.Marshal(fields)
		return entitytest.Insert(t, schemas, "jwt_secrets", string(body))
	}
	r, err := insert(map[string]any{})
	key, _ := r["key"].(string)
	secret, _ := r["secret"].(string)
	if err != nil || len(key) != 32 || len(secret) != 32 || key == secret || r["algorithm"] != "HS256" {
		t.Errorf("made %v, %v", r, err)
	}
	s, _ := schemas.ByName("jwt_secrets")
	if s.Redact(r)["secret"] == secret {
		t.Error("the secret is in the history")
	}
	for _, path := range []string{"jwts", "jwt"} {
		if found, ok := schemas.ByPath(path); !ok || found != s {
			t.Errorf("/%s is not the credentials", path)
		}
	}
	k := newKeys(t)
	for _, tt := range []struct{ algorithm, key, want string }{
		{algorithm: "HS256", key: "bar"}, // not used
		{algorithm: "RS256", key: k.rsaPEM},
		{algorithm: "RS384", key: k.rsaPEM},
		{algorithm: "ES256", key: k.p256PEM},
		{algorithm: "none", key: "", want: "algorithm: expected one of: HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, ES512, "},
		{algorithm: "RS256", key: "bar", want: "rsa_public_key: invalid key: expected an RSA public key in PEM"},
		{algorithm: "RS512", key: k.p256PEM, want: "rsa_public_key: invalid key: expected an RSA public key in PEM"},
		{algorithm: "RS256", key: k.weakPEM, want: "rsa_public_key: invalid key: an RSA key of 1024 bits; expected 2048 or more"},
		{algorithm: "ES384", key: k.p256PEM, want: "rsa_public_key: invalid key: expected a public key on the curve P-384"},
	} {
		r, err := insert(map[string]any{"algorithm": tt.algorithm, "rsa_public_key": tt.key + "\n"})
		if tt.want == "" {
			if err != nil || r["rsa_public_key"] == nil {
				t.Errorf("%s: %v", tt.algorithm, err)
			}
			continue
		}
		entitytest.Refused(t, err, tt.want)
	}
	_, err = insert(map[string]any{"algorithm": "RS256"})
	entitytest.Refused(t, err, "rsa_public_key: required field missing")
}
