package openidbearer

import (
	"errors"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin/jwks"
)

// claims are those of a good token.
func (a *auth) claims(text string) (map[string]any, *denial) {
	if a.Introspection == always || a.Introspection == opaque && strings.Count(text, ".") != 2 {
		claims, err := a.provider.introspect(text, a.now())
		if err != nil {
			a.log.Warn("openid-bearer: the provider cannot be asked about a token", "error", err)
			return nil, &denial{fasthttp.StatusServiceUnavailable, "temporarily_unavailable", "tokens cannot be checked at the moment"}
		}
		if claims == nil {
			return nil, invalid("the token is not active")
		}
		return claims, a.check(claims, false)
	}
	claims := jwt.MapClaims{}
	token, parts, err := a.parser.ParseUnverified(text, claims)
	if err != nil || !slices.Contains(a.Algorithms, token.Method.Alg()) {
		return nil, invalid("the token is malformed, or of an algorithm that is not taken")
	}
	if _, ok := token.Header["crit"]; ok { // RFC 7515, 4.1.11: none is understood
		return nil, invalid("the token has a critical extension")
	}
	switch err := a.provider.keys.Verify(token, parts[0]+"."+parts[1]); {
	case errors.Is(err, jwks.ErrUnavailable):
		return nil, &denial{fasthttp.StatusServiceUnavailable, "temporarily_unavailable", "tokens cannot be checked at the moment"}
	case err != nil:
		return nil, invalid("the signature is wrong")
	}
	return claims, a.check(claims, true)
}

// check compares the claims with what is configured. Of an answer about a token the
// issuer and the end may be missing.
func (a *auth) check(claims map[string]any, whole bool) *denial {
	now, leeway := float64(a.now().UnixMilli())/1000, a.Leeway
	issuer, hasIssuer := claims["iss"].(string)
	exp, hasEnd := claims["exp"].(float64)
	_, saysEnd := claims["exp"]
	nbf, hasStart := claims["nbf"].(float64)
	switch {
	case (whole || hasIssuer) && issuer != a.Issuer:
		return invalid("the token is of another issuer")
	case (whole || saysEnd) && !hasEnd:
		return invalid("the token has no end")
	case hasEnd && now >= exp+leeway:
		return invalid("the token has expired")
	case hasStart && now < nbf-leeway:
		return invalid("the token is not valid yet")
	case a.Audiences != nil && !slices.ContainsFunc(list(claims["aud"]), func(s string) bool { return slices.Contains(a.Audiences, s) }):
		return invalid("the token is for another audience")
	}
	have := scopesOf(claims)
	for _, s := range a.ScopesRequired {
		if !slices.Contains(have, s) {
			return &denial{fasthttp.StatusForbidden, "insufficient_scope", "the token lacks a scope"}
		}
	}
	return nil
}

// list is a text or a list of texts.
func list(v any) (out []string) {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	all, _ := v.([]any)
	for _, e := range all {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// scopesOf are those of scope, a text with spaces, or of scp.
func scopesOf(claims map[string]any) []string {
	if s, ok := claims["scope"].(string); ok {
		return strings.Fields(s)
	}
	var out []string
	for _, s := range append(list(claims["scope"]), list(claims["scp"])...) {
		out = append(out, strings.Fields(s)...)
	}
	return out
}
