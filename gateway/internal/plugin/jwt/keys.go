package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// leastRSABits is RFC 7518's, 3.3.
const leastRSABits = 2048

// method is an algorithm that tokens can be signed with. "none" is not among them.
type method struct {
	name  string
	parse func(pem string) (any, error) // nil: a shared secret
}

// methods are Kong 3.4's up to ES384, and those of later versions.
var methods = []method{
	{name: "HS256"}, {name: "HS384"}, {name: "HS512"},
	{"RS256", parseRSA}, {"RS384", parseRSA}, {"RS512", parseRSA},
	{"ES256", parseECDSA(elliptic.P256())}, {"ES384", parseECDSA(elliptic.P384())},
	{"ES512", parseECDSA(elliptic.P521())}, {"PS256", parseRSA}, {"PS384", parseRSA}, {"PS512", parseRSA}, {"EdDSA", parseEd25519},
}

func methodNamed(name string) (method, bool) {
	i := slices.IndexFunc(methods, func(m method) bool { return m.name == name })
	if i < 0 {
		return method{}, false
	}
	return methods[i], true
}

func (m method) isShared() bool { return m.parse == nil }

func parseRSA(pem string) (any, error) {
	key, err := jwt.ParseRSAPublicKeyFromPEM([]byte(pem))
	if err != nil {
		return nil, errors.New("expected an RSA public key in PEM")
	}
	if bits := key.N.BitLen(); bits < leastRSABits {
		return nil, fmt.Errorf("an RSA key of %d bits; expected %d or more", bits, leastRSABits)
	}
	return key, nil
}

func parseECDSA(curve elliptic.Curve) func(string) (any, error) {
	return func(pem string) (any, error) {
		var key *ecdsa.PublicKey
		key, err := jwt.ParseECPublicKeyFromPEM([]byte(pem))
		if err != nil || key.Curve != curve {
			return nil, fmt.Errorf("expected a public key on the curve %s in PEM", curve.Params().Name)
		}
		return key, nil
	}
}

func parseEd25519(pem string) (any, error) {
	key, err := jwt.ParseEdPublicKeyFromPEM([]byte(pem))
	if err != nil {
		return nil, errors.New("expected an Ed25519 public key in PEM")
	}
	return key, nil
}

var errNoSecret = errors.New("the secret is empty, or no base64")

// verificationKey is what tokens of a credential are verified with. Its kind
// follows from the credential's algorithm, never from the token's.
func verificationKey(isBase64 bool) func(*entity.JWTSecret) (any, error) {
	return func(s *entity.JWTSecret) (any, error) {
		m, ok := methodNamed(s.Algorithm)
		switch {
		case !ok:
			return nil, fmt.Errorf("algorithm %q", s.Algorithm)
		case !m.isShared():
			return m.parse(s.RSAPublicKey)
		}
		secret := []byte(s.Secret)
		if isBase64 {
			var err error
			if secret, err = decodeBase64(s.Secret); err != nil {
				return nil, errNoSecret
			}
		}
		if len(secret) == 0 {
			return nil, errNoSecret
		}
		return secret, nil
	}
}

// decodeBase64 takes both alphabets, with and without padding, as Kong does.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	return base64.RawStdEncoding.DecodeString(s) //nolint:wrapcheck // only whether there is an error counts
}
