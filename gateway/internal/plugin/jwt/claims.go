package jwt

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The claims that can be verified.
const (
	claimExp = "exp"
	claimNbf = "nbf"
)

// checkClaims returns what is wrong, by claim; nil if nothing is. Times are Unix
// seconds.
func (a *auth) checkClaims(claims jwt.MapClaims, now time.Time) refusal {
	wrong := refusal{}
	at := float64(now.UnixMilli()) / 1000
	for _, name := range a.ClaimsToVerify {
		when, ok := claims[name].(float64)
		switch {
		case !ok:
			wrong[name] = "must be a number"
		case name == claimExp && when <= at:
			wrong[name] = "token expired"
		case name == claimNbf && when > at:
			wrong[name] = "token not valid yet"
		}
	}
	if len(wrong) == 0 && a.MaximumExpiration > 0 {
		if exp, ok := claims[claimExp].(float64); !ok || exp-at > a.MaximumExpiration {
			wrong[claimExp] = "exceeds maximum allowed expiration"
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}
