// Package jwks gets the keys that tokens are verified with from URLs (RFC 7517), and
// keeps them up to date.
package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

const (
	// leastRSABits is RFC 7518's, 3.3; mostRSABits bounds what a verification costs.
	leastRSABits, mostRSABits = 2048, 8192
	// maxKeys is how many keys of a set are read.
	maxKeys = 64
)

// Key is a public key with what it may be used for.
type Key struct {
	ID         string
	Public     any      // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	Algorithms []string // of the tokens that it verifies
}

// Parse reads a set. Keys that are of no use here (symmetric ones, those for
// encryption, weak or malformed ones) are left out; a set without any other is an
// error.
func Parse(raw []byte) ([]Key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("no JSON object with keys")
	}
	var keys []Key
	var why error
	for i, one := range set.Keys[:min(len(set.Keys), maxKeys)] {
		k, err := parseKey(one)
		if err != nil {
			why = fmt.Errorf("key %d: %w", i, err)
			continue
		}
		keys = append(keys, k)
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case why != nil:
		return nil, fmt.Errorf("none of %d keys can be used: %w", len(set.Keys), why)
	}
	return nil, errors.New("there are no keys")
}

// jwk is a key as it is written.
type jwk struct {
	Type       string   `json:"kty"`
	ID         string   `json:"kid"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	Curve      string   `json:"crv"`
	N, E, X, Y string
}

func parseKey(raw []byte) (Key, error) {
	var in jwk
	if err := json.Unmarshal(raw, &in); err != nil {
		return Key{}, errors.New("no JSON object of texts")
	}
	if in.Use != "" && in.Use != "sig" || in.Operations != nil && !slices.Contains(in.Operations, "verify") {
		return Key{}, errors.New("it is not for signatures")
	}
	k := Key{ID: in.ID}
	var err error
	switch in.Type {
	case "RSA":
		k.Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		k.Public, err = parseRSA(in.N, in.E)
	case "EC":
		k.Public, k.Algorithms, err = parseEC(in.Curve, in.X, in.Y)
	case "OKP":
		k.Algorithms = []string{"EdDSA"}
		k.Public, err = parseEd25519(in.Curve, in.X)
	default:
		return Key{}, fmt.Errorf("kty %q: want RSA, EC or OKP", in.Type)
	}
	if err != nil {
		return Key{}, err
	}
	if in.Algorithm != "" {
		if !slices.Contains(k.Algorithms, in.Algorithm) {
			return Key{}, fmt.Errorf("alg %q: want one of %s", in.Algorithm, strings.Join(k.Algorithms, ", "))
		}
		k.Algorithms = []string{in.Algorithm}
	}
	return k, nil
}

func decode(name, text string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(raw) == 0 {
		return nil, fmt.Errorf("%s is no base64url", name)
	}
	return raw, nil
}

func parseRSA(n, e string) (any, error) {
	modulus, err := decode("n", n)
	if err != nil {
		return nil, err
	}
	exponent, err := decode("e", e)
	if err != nil {
		return nil, err
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus)}
	if bits := key.N.BitLen(); bits < leastRSABits || bits > mostRSABits {
		return nil, fmt.Errorf("an RSA key of %d bits; want %d to %d", bits, leastRSABits, mostRSABits)
	}
	value := new(big.Int).SetBytes(exponent)
	if value.BitLen() > 31 || value.Bit(0) == 0 || value.Int64() < 3 {
		return nil, errors.New("e is no odd number of at least 3 and at most 31 bits")
	}
	key.E = int(value.Int64())
	return key, nil
}

func parseEC(curve, x, y string) (any, []string, error) {
	var of elliptic.Curve
	var algorithm string
	switch curve {
	case "P-256":
		of, algorithm = elliptic.P256(), "ES256"
	case "P-384":
		of, algorithm = elliptic.P384(), "ES384"
	case "P-521":
		of, algorithm = elliptic.P521(), "ES512"
	default:
		return nil, nil, fmt.Errorf("crv %q: want P-256, P-384 or P-521", curve)
	}
	size := (of.Params().BitSize + 7) / 8
	point := []byte{4} // uncompressed
	for _, c := range []struct{ name, text string }{{"x", x}, {"y", y}} {
		raw, err := decode(c.name, c.text)
		if err != nil || len(raw) != size {
			return nil, nil, fmt.Errorf("%s is no coordinate of %d bytes", c.name, size)
		}
		point = append(point, raw...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(of, point)
	if err != nil {
		return nil, nil, errors.New("no point of the curve")
	}
	return key, []string{algorithm}, nil
}

func parseEd25519(curve, x string) (any, error) {
	if curve != "Ed25519" {
		return nil, fmt.Errorf("crv %q: want Ed25519", curve)
	}
	raw, err := decode("x", x)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("x is no key of %d bytes", ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(raw), nil
}
