package oauth2

import (
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"oauth2_credentials.id":                    "..: a.ID",
	"oauth2_credentials.consumer":              "..: a.Consumer",
	"oauth2_credentials.client_id":             "..: a.ClientID",
	"oauth2_credentials.name":                  "kept",
	"oauth2_credentials.client_secret":         ".: Application.ClientSecret",
	"oauth2_credentials.hash_secret":           ".: Application.HashSecret",
	"oauth2_credentials.redirect_uris":         ".: Application.RedirectURIs",
	"oauth2_credentials.client_type":           ".: Application.ClientType",
	"oauth2_credentials.created_at":            "kept",
	"oauth2_credentials.tags":                  "kept",
	"oauth2_tokens.id":                         ".: old.ID",
	"oauth2_tokens.created_at":                 ".: t.CreatedAt",
	"oauth2_tokens.service":                    ".: token.Service",
	"oauth2_tokens.credential":                 ".: token.Credential",
	"oauth2_tokens.token_type":                 "any: there is one",
	"oauth2_tokens.expires_in":                 ".: t.ExpiresIn",
	"oauth2_tokens.access_token":               ".: token.AccessToken",
	"oauth2_tokens.refresh_token":              ".: old.RefreshToken",
	"oauth2_tokens.authenticated_userid":       ".: token.UserID",
	"oauth2_tokens.scope":                      ".: token.Scope",
	"oauth2_tokens.ttl":                        "../../store: expires_at",
	"oauth2.scopes":                            ".: a.Scopes",
	"oauth2.mandatory_scope":                   ".: a.MandatoryScope",
	"oauth2.provision_key":                     ".: a.ProvisionKey",
	"oauth2.token_expiration":                  ".: a.TokenExpiration",
	"oauth2.enable_authorization_code":         "refused",
	"oauth2.enable_implicit_grant":             "refused",
	"oauth2.enable_client_credentials":         ".: a.EnableClientCredentials",
	"oauth2.enable_password_grant":             "refused",
	"oauth2.hide_credentials":                  ".: a.HideCredentials",
	"oauth2.accept_http_if_already_terminated": ".: a.AcceptTerminated",
	"oauth2.anonymous":                         ".: a.Anonymous",
	"oauth2.global_credentials":                ".: a.GlobalCredentials",
	"oauth2.auth_header_name":                  ".: a.AuthHeaderName",
	"oauth2.refresh_token_ttl":                 ".: a.RefreshTokenTTL",
	"oauth2.reuse_refresh_token":               ".: a.ReuseRefreshToken",
	"oauth2.pkce":                              "any: it is of the grant with codes, which is refused",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{
		"oauth2": Definition().Config, "oauth2_credentials": credentials().Fields, "oauth2_tokens": tokens().Fields,
	}, nil)
}

const consumerID = "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 1400, Config: `{"enable_client_credentials":true,"provision_key":"p"}`,
		Defaults: map[string]any{
			"scopes": nil, "mandatory_scope": false, "provision_key": "p", "token_expiration": int64(7200),
			"enable_authorization_code": false, "enable_implicit_grant": false, "enable_client_credentials": true,
			"enable_password_grant": false, "hide_credentials": false, "accept_http_if_already_terminated": false, "anonymous": nil,
			"global_credentials": false, "auth_header_name": "authorization", "refresh_token_ttl": int64(1209600),
			"reuse_refresh_token": false, "pkce": "lax",
		},
		Refused: map[string]string{
			`{}`:                                 "at least one of these fields must be true",
			`{"enable_authorization_code":true}`: "config.enable_authorization_code: ",
			`{"enable_implicit_grant":true}`:     "config.enable_implicit_grant: ",
			`{"enable_password_grant":true}`:     "use an authorization server, and jwt for its tokens",
			`{"enable_client_credentials":true,"mandatory_scope":true}`: "config.scopes: required field missing",
			`{"enable_client_credentials":true,"token_expiration":-1}`:  "config.token_expiration: value should be between",
			`{"enable_client_credentials":true,"pkce":"no"}`:            "config.pkce: expected one of: none, lax, strict",
		},
	}.Check(t, Definition())
	r, err := entitytest.Insert(t, plugin.NewSet(Definition()).Catalog(), "plugins",
		`{"name":"oauth2","config":{"enable_client_credentials":true}}`)
	if key, _ := entitytest.At(r, "config", "provision_key").(string); err != nil || len(key) != 32 {
		t.Errorf("provision_key %q, %v", key, err)
	}
}

func TestCredentials(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	s, _ := schemas.ByName("oauth2_credentials")
	insert := func(more string) (entity.Record, error) {
		return entitytest.Insert(t, schemas, "oauth2_credentials", `{"name":"n","consumer":{"id":"`+consumerID+`"}`+more+`}`)
	}
	r, err := insert("")
	id, _ := r["client_id"].(string)
	secret, _ := r["client_secret"].(string)
	if err != nil || len(id) != 32 || len(secret) != 32 || r["client_type"] != "confidential" || r["hash_secret"] != false {
		t.Errorf("made %v, %v", r, err)
	}
	if s.Redact(r)["client_secret"] == secret {
		t.Error("the secret is in the history")
	}
	for more, want := range map[string]string{
		`,"redirect_uris":["x"]`:           "cannot parse 'x'",
		`,"redirect_uris":["http://a/#b"]`: "fragment not allowed in 'http://a/#b'",
		`,"client_type":"x"`:               "client_type: expected one of: confidential, public",
		`,"name":null`:                     "name: required field missing",
	} {
		_, err := insert(more)
		entitytest.Refused(t, err, want)
	}
}

// TestHashedSecrets: Kong's form, made once, by changes too.
func TestHashedSecrets(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	s, _ := schemas.ByName("oauth2_credentials")
	const body = `{"id":"` + consumerID + `","name":"n","consumer":{"id":"` + consumerID + `"},"client_secret":"open","hash_secret":true}`
	r, err := entitytest.Insert(t, schemas, "oauth2_credentials", body)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := r["client_secret"].(string)
	if !strings.HasPrefix(first, "$pbkdf2-sha512$i=10000,l=32$") || !verifySecret("open", first) || verifySecret("opem", first) {
		t.Errorf("stored as %q", first)
	}
	if again, err := entitytest.Insert(t, schemas, "oauth2_credentials", body); err != nil || again["client_secret"] != first {
		t.Errorf("the same file again: %v, %v", again["client_secret"], err)
	}
	kept, err := s.ProcessUpdate(r, entity.Record{"client_secret": first, "name": "m"}, time.Now())
	if err != nil || kept["client_secret"] != first {
		t.Errorf("as it was read: %v, %v", kept["client_secret"], err)
	}
	changed, err := s.ProcessUpdate(r, entity.Record{"client_secret": "new"}, time.Now())
	if text, _ := changed["client_secret"].(string); err != nil || !verifySecret("new", text) {
		t.Errorf("changed: %v, %v", changed["client_secret"], err)
	}
	_, err = s.ProcessUpdate(r, entity.Record{"hash_secret": false}, time.Now())
	entitytest.Refused(t, err, "client_secret: is needed where hash_secret is turned off")
	plain, err := s.ProcessUpdate(r, entity.Record{"hash_secret": false, "client_secret": "p"}, time.Now())
	if err != nil || plain["client_secret"] != "p" {
		t.Errorf("not hashed any more: %v, %v", plain["client_secret"], err)
	}
	hashed, err := s.ProcessUpdate(plain, entity.Record{"hash_secret": true}, time.Now())
	if text, _ := hashed["client_secret"].(string); err != nil || !verifySecret("p", text) {
		t.Errorf("hashed later: %v, %v", hashed["client_secret"], err)
	}
}

// TestKongsHash has hashes that another program has computed.
func TestKongsHash(t *testing.T) {
	const key = "hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lLALUcKKFoFAbrZmb/pQ8CPBQI119aLHaVeY/c7YKV/zg"
	for text, want := range map[string]bool{
		"$pbkdf2-sha512$i=1,l=64$c2FsdA$" + key:       true,
		"$pbkdf2-sha512$i=1,l=32$c2FsdA$" + key:       false, // longer than it says
		"$pbkdf2-sha512$i=2000000,l=64$c2FsdA$" + key: false, // takes too long
		"$argon2id$v=19$m=4096,t=1,p=1$c2FsdA$aGFzaA": false,
		"": false,
	} {
		if got := verifySecret("password", text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add("$pbkdf2-sha512$i=1,l=4$c2FsdA$aGFzaA")
	f.Fuzz(func(t *testing.T, text string) {
		if h, ok := parseHash(text); ok && (h.iterations > maxIterations || len(h.key) > maxHashBytes) {
			t.Fatalf("%q takes too long", text)
		}
	})
}
