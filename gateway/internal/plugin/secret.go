package plugin

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// NewSecret is a credential's key or secret where the client named none: 32
// letters and digits.
func NewSecret() string {
	for {
		b := make([]byte, 48)
		_, _ = rand.Read(b) // never fails
		k := strings.NewReplacer("-", "", "_", "").Replace(base64.RawURLEncoding.EncodeToString(b))
		if len(k) >= 32 {
			return k[:32]
		}
	}
}
