package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// TestKeysOfAURL: the issuer's tokens are verified with the keys of its URL, those of
// others with their credentials.
func TestKeysOfAURL(t *testing.T) {
	k := newKeys(t)
	point, err := k.p256.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{
			map[string]any{"kty": "EC", "crv": "P-256", "kid": "1", "x": encode(point[1:33]), "y": encode(point[33:])},
		}})
	}))
	t.Cleanup(issuer.Close)
	g := start(t, c{"jwks_uris": c{"hs256": issuer.URL + "/keys"}})
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	named := c{"kid": "1"}
	for name, tt := range map[string]struct{ token, want string }{
		"its key":              {sign(t, jwt.SigningMethodES256, k.p256, named, c{"iss": "hs256"}), "200 alice,c1,,hs256,"},
		"no name of the key":   {sign(t, jwt.SigningMethodES256, k.p256, nil, c{"iss": "hs256"}), "200 alice,c1,,hs256,"},
		"another key":          {sign(t, jwt.SigningMethodES256, other, named, c{"iss": "hs256"}), message("Invalid signature")},
		"an unknown key":       {sign(t, jwt.SigningMethodES256, k.p256, c{"kid": "2"}, c{"iss": "hs256"}), message("Invalid signature")},
		"the shared secret":    {sign(t, jwt.SigningMethodHS256, []byte("s3cret"), named, c{"iss": "hs256"}), message("Invalid signature")},
		"another issuer":       {sign(t, jwt.SigningMethodHS384, []byte("s3cret"), nil, c{"iss": "hs384"}), "200 alice,c1,,hs384,"},
		"another issuer's key": {sign(t, jwt.SigningMethodES256, k.p256, named, c{"iss": "hs384"}), message("Invalid algorithm")},
	} {
		if got := ask(t, g, "GET", "/", "Authorization:Bearer "+tt.token); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	issuer.Close()
	away := start(t, c{"jwks_uris": c{"hs256": issuer.URL + "/keys"}})
	token := sign(t, jwt.SigningMethodES256, k.p256, named, c{"iss": "hs256"})
	if got := ask(t, away, "GET", "/", "Authorization:Bearer "+token); got != message("The keys of the issuer are not available") {
		t.Errorf("without keys: %s", got)
	}
}

// TestLaterAlgorithms are those that Kong has since 3.5.
func TestLaterAlgorithms(t *testing.T) {
	k := newKeys(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(key any) string {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	of := entity.Ref{ID: "c1"}
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Header.Get("X-Credential-Identifier")))
	})
	g := plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition()}, func(cfg *entity.Config) {
		cfg.JWTSecrets = []entity.JWTSecret{
			{ID: "1", Key: "ed", Algorithm: "EdDSA", RSAPublicKey: encode(public), Consumer: of},
			{ID: "2", Key: "es", Algorithm: "ES512", RSAPublicKey: encode(&p521.PublicKey), Consumer: of},
			{ID: "3", Key: "ps", Algorithm: "PS256", RSAPublicKey: k.rsaPEM, Consumer: of},
		}
	}, entity.Record{"name": "jwt"})
	for key, token := range map[string]string{
		"ed": sign(t, jwt.SigningMethodEdDSA, private, nil, c{"iss": "ed"}),
		"es": sign(t, jwt.SigningMethodES512, p521, nil, c{"iss": "es"}),
		"ps": sign(t, jwt.SigningMethodPS256, k.rsa, nil, c{"iss": "ps"}),
	} {
		if got := ask(t, g, "GET", "/", "Authorization:Bearer "+token); got != "200 "+key {
			t.Errorf("%s: %s", key, got)
		}
	}
}
