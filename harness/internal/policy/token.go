package policy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// Kinds of tokens that probes send.
const (
	TokenValid   = "valid"
	TokenExpired = "expired"
	TokenForged  = "forged"   // signed with another secret
	TokenNone    = "unsigned" // alg none
	TokenGarbage = "garbage"
)

// tokenFor is how long a token is good.
const tokenFor = time.Hour

// Token makes a token of a kind for the policy's secret and issuer.
func (p *Policy) Token(kind string, now time.Time) (string, error) {
	if p.Auth == nil || p.Auth.Kind != AuthJWT {
		return "", fmt.Errorf("token: policy %s has no jwt auth", p.Name)
	}
	expires := now.Add(tokenFor)
	header := map[string]any{"alg": "HS256", "typ": "JWT"}
	secret := p.Auth.Secret
	switch kind {
	case TokenValid:
	case TokenExpired:
		expires = now.Add(-tokenFor)
	case TokenForged:
		secret += "-not"
	case TokenNone:
		header["alg"] = "none"
	case TokenGarbage:
		return "not.a.token", nil
	default:
		return "", fmt.Errorf("token: %q is not known: want %s, %s, %s, %s or %s", kind, TokenValid, TokenExpired, TokenForged, TokenNone,
			TokenGarbage)
	}
	signed := part(header) + "." + part(map[string]any{"sub": "bench", "iss": p.Auth.Issuer, "exp": expires.Unix()})
	if kind == TokenNone {
		return signed + ".", nil
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

func part(v map[string]any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
