package jwks

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// pair is a key and how it is written.
type pair struct {
	private *ecdsa.PrivateKey
	jwk     map[string]any
}

func newPair(t testing.TB, kid string) pair {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return pair{k, map[string]any{"kty": "EC", "crv": "P-256", "kid": kid, "x": encode(point[1:33]), "y": encode(point[33:])}}
}

func set(t testing.TB, keys ...map[string]any) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// verify signs a token with a key, and has the source check it.
func verify(t *testing.T, s *Source, p pair, kid any) error {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"a": 1})
	if kid != nil {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(p.private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, parts, err := jwt.NewParser().ParseUnverified(text, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Verify(parsed, parts[0]+"."+parts[1])
}

// server answers with what it is set to.
type server struct {
	asked  atomic.Int64
	answer atomic.Value // []byte, or error
}

func (s *server) fetch(context.Context) ([]byte, error) {
	s.asked.Add(1)
	time.Sleep(time.Second)
	switch v := s.answer.Load().(type) {
	case []byte:
		return v, nil
	default:
		return nil, errors.New("away")
	}
}

// TestRotation: the first token waits for the keys, one with a new key for the new
// set, at most once in RetryAfter; old keys are refreshed in the background, and the
// last good ones are kept.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newPair(t, "1"), newPair(t, "2")
		var from server
		from.answer.Store(set(t, one.jwk))
		s := NewSource(from.fetch, time.Minute, slog.New(slog.DiscardHandler))
		s.Start()
		if err := verify(t, s, one, "1"); err != nil || from.asked.Load() != 1 {
			t.Fatalf("the first: %v, asked %d times", err, from.asked.Load())
		}
		if err := verify(t, s, two, "1"); !errors.Is(err, ErrSignature) {
			t.Errorf("another key's signature: %v", err)
		}
		from.answer.Store(set(t, two.jwk))
		for range 3 { // just asked
			if err := verify(t, s, two, "2"); !errors.Is(err, ErrUnknownKey) {
				t.Errorf("a new key, at once: %v", err)
			}
		}
		time.Sleep(RetryAfter)
		if err := verify(t, s, two, "2"); err != nil || from.asked.Load() != 2 {
			t.Errorf("a new key: %v, asked %d times", err, from.asked.Load())
		}
		if err := verify(t, s, one, "1"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("a key that was taken back: %v", err)
		}
		from.answer.Store([]byte(`{}`))
		for range 3 {
			time.Sleep(time.Minute)
			if err := verify(t, s, two, nil); err != nil {
				t.Errorf("the last good keys: %v", err)
			}
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		if n := from.asked.Load(); n != 5 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestNoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newPair(t, "1")
		var from server
		s := NewSource(from.fetch, time.Minute, slog.New(slog.DiscardHandler))
		for range 5 {
			if err := verify(t, s, one, "1"); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		if n := from.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestParse(t *testing.T) {
	good := newPair(t, "1").jwk
	with := func(more map[string]any) map[string]any {
		out := map[string]any{}
		for k, v := range good {
			out[k] = v
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	modulus := func(n int) string { return encode([]byte("\x80" + strings.Repeat("x", n-1))) }
	for _, tt := range []struct {
		name, want string // "": it is taken
		key        map[string]any
	}{
		{name: "EC", key: good},
		{name: "Ed25519", key: map[string]any{"kty": "OKP", "crv": "Ed25519", "x": encode(public)}},
		{name: "RSA", key: map[string]any{"kty": "RSA", "n": modulus(256), "e": "AQAB", "alg": "PS256"}},
		{name: "a weak RSA key", want: "1024 bits", key: map[string]any{"kty": "RSA", "n": modulus(128), "e": "AQAB"}},
		{name: "a huge RSA key", want: "bits", key: map[string]any{"kty": "RSA", "n": modulus(2001), "e": "AQAB"}},
		{name: "an even exponent", want: "odd", key: map[string]any{"kty": "RSA", "n": modulus(256), "e": "Ag"}},
		{name: "symmetric", want: `kty "oct"`, key: map[string]any{"kty": "oct", "k": "AAAA"}},
		{name: "for encryption", want: "not for signatures", key: with(map[string]any{"use": "enc"})},
		{name: "for signing alone", want: "not for signatures", key: with(map[string]any{"key_ops": []string{"sign"}})},
		{name: "of another algorithm", want: `alg "RS256"`, key: with(map[string]any{"alg": "RS256"})},
		{name: "off the curve", want: "no point", key: with(map[string]any{"y": good["x"]})},
		{name: "a short coordinate", want: "no coordinate", key: with(map[string]any{"y": "AA"})},
		{name: "another curve", want: `crv "secp256k1"`, key: with(map[string]any{"crv": "secp256k1"})},
	} {
		keys, err := Parse(set(t, tt.key))
		switch {
		case tt.want == "" && (err != nil || len(keys) != 1):
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if keys, err := Parse(set(t, map[string]any{"kty": "oct"}, good)); err != nil || len(keys) != 1 {
		t.Errorf("a good one among others: %v", err)
	}
	for _, text := range []string{"", "{}", `{"keys":[]}`, `{"keys":[1]}`, "[]"} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(set(f, newPair(f, "1").jwk))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := Parse(raw)
		if err == nil && (len(keys) == 0 || len(keys) > maxKeys) {
			t.Fatalf("%d keys", len(keys))
		}
	})
}
