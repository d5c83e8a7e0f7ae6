package parity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
)

// digest is a short name of a body.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// echoOf is the origin's echo in a body.
func echoOf(b []byte) (*sight, error) {
	var s sight
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	if s.Method == "" {
		return nil, errors.New("it has no method")
	}
	return &s, nil
}

// sight is what the origin says that it saw.
type sight struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	JSON    any               `json:"json"`
}
