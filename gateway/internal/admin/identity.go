package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gatelab/gatelab/internal/webguard"
)

// TokenHeader carries a token; Authorization: Bearer does as well.
const TokenHeader = "Kong-Admin-Token"

// The reasons for which Authorize rejects requests.
const (
	ReasonToken = "token" // no token, or an unknown one
	ReasonRole  = "role"  // a change with a read-only token
)

type identityKey struct{}

// Authorize admits requests with a token, and those with a read-only token if they
// change nothing. tokens may be nil: then every client of the listener may do
// everything. The name of the token, or else of the client certificate, becomes the
// actor of changes. rejected is called with the reason of each rejection; it may be
// nil.
func Authorize(tokens *Tokens, rejected func(reason string), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := certificateName(r)
		if tokens != nil {
			token, ok := tokens.Find(tokenOf(r))
			var reason, message string
			var status int
			switch {
			case !ok:
				w.Header().Set("WWW-Authenticate", `Bearer realm="Admin API"`)
				reason, status = ReasonToken, http.StatusUnauthorized
				message = "a token of admin_tokens_file is needed"
				if tokenOf(r) != "" {
					message = "this token is not in admin_tokens_file"
				}
				message += ": send one as " + TokenHeader + ": TOKEN or as Authorization: Bearer TOKEN"
			case token.Role == ReadOnly && changes(r):
				reason, status = ReasonRole, http.StatusForbidden
				message = "the token " + token.Name + " is read-only: want one with the role read-write"
			}
			if reason != "" {
				if rejected != nil {
					rejected(reason)
				}
				Refuse(w, r, status, message)
				return
			}
			name = token.Name
		}
		if name != "" {
			r = r.WithContext(context.WithValue(r.Context(), identityKey{}, name))
		}
		next.ServeHTTP(w, r)
	})
}

// tokenOf returns the token of a request, "" for none. Two values of a header count
// as none: it is ambiguous which one is meant.
func tokenOf(r *http.Request) string {
	if values := r.Header.Values(TokenHeader); len(values) > 0 {
		if len(values) > 1 {
			return ""
		}
		return values[0]
	}
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// changes reports whether a request may change something. Validation does not,
// though it is a POST.
func changes(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	case http.MethodPost:
		parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
		return len(parts) != 3 || parts[0] != "schemas" || parts[2] != "validate"
	}
	return true
}

// certificateName returns the name of the verified client certificate.
func certificateName(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return ""
	}
	cert := r.TLS.VerifiedChains[0][0]
	switch {
	case cert.Subject.CommonName != "":
		return plainName(cert.Subject.CommonName)
	case len(cert.DNSNames) > 0:
		return plainName(cert.DNSNames[0])
	case len(cert.EmailAddresses) > 0:
		return plainName(cert.EmailAddresses[0])
	}
	return "certificate " + cert.SerialNumber.Text(16)
}

// claimPrefix marks an actor that was not authenticated.
const claimPrefix = "claimed:"

// actor returns the author of a revision: the name of the token or the certificate;
// without them the name that the client claims, marked as such, or its address.
func actor(r *http.Request) string {
	if name, ok := r.Context().Value(identityKey{}).(string); ok {
		return name
	}
	if who := r.Header.Get("X-Gatelab-Actor"); who != "" {
		return claimPrefix + plainName(who)
	}
	if user, _, ok := r.BasicAuth(); ok {
		return claimPrefix + plainName(user)
	}
	return r.RemoteAddr
}

// plainName makes a name from outside short and storable in Postgres.
func plainName(name string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(name[:min(len(name), 200)], "\x00", ""), "?")
}

// Refuse responds with an error before the body is read.
func Refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	webguard.CloseAfter(w, r)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Server", "gatelab")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"message": message})
}
