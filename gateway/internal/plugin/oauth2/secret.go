package oauth2

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// The parameters of new hashes are Kong's; those of hashes that are read from it are
// bounded, so that a check takes a bounded time.
const (
	hashPrefix    = "$pbkdf2-"
	iterations    = 10_000
	hashBytes     = 32
	saltBytes     = 16
	maxIterations = 1_000_000
	maxHashBytes  = 128
)

// hashSecret is Kong's form of a hashed secret: $pbkdf2-sha512$i=…,l=…$salt$hash.
// The salt is the credential's, so that a file that is imported again, with the
// secret, changes nothing.
func hashSecret(secret, credentialID string) string {
	sum := sha256.Sum256([]byte("oauth2_credentials " + credentialID))
	salt := sum[:saltBytes]
	key, err := pbkdf2.Key(sha512.New, secret, salt, iterations, hashBytes)
	if err != nil { // only of keys that are too long
		panic(err)
	}
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("%ssha512$i=%d,l=%d$%s$%s", hashPrefix, iterations, hashBytes, encode(salt), encode(key))
}

// hashed is a secret's hash and how it is made.
type hashed struct {
	digest     func() hash.Hash
	iterations int
	salt, key  []byte
}

func isHash(text string) bool {
	_, ok := parseHash(text)
	return ok
}

func parseHash(text string) (h hashed, ok bool) {
	rest, ok := strings.CutPrefix(text, hashPrefix)
	parts := strings.Split(rest, "$")
	if !ok || len(parts) != 4 {
		return h, false
	}
	switch parts[0] {
	case "sha512":
		h.digest = sha512.New
	case "sha256":
		h.digest = sha256.New
	default:
		return h, false
	}
	length := 0
	for pair := range strings.SplitSeq(parts[1], ",") {
		name, value, _ := strings.Cut(pair, "=")
		n, err := strconv.Atoi(strings.TrimSpace(value))
		switch {
		case err != nil:
			return h, false
		case name == "i":
			h.iterations = n
		case name == "l":
			length = n
		}
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[2]); err != nil {
		return h, false
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[3]); err != nil {
		return h, false
	}
	ok = h.iterations > 0 && h.iterations <= maxIterations && len(h.key) > 0 && len(h.key) <= maxHashBytes && length == len(h.key)
	return h, ok
}

// verifySecret tells whether a secret has that hash.
func verifySecret(secret, stored string) bool {
	h, ok := parseHash(stored)
	if !ok {
		return false
	}
	key, err := pbkdf2.Key(h.digest, secret, h.salt, h.iterations, len(h.key))
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}

// same compares two secrets in a time that says nothing of them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
