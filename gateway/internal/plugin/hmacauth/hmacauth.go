package hmacauth

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the configuration as it is stored.
type config struct {
	HideCredentials     bool     `json:"hide_credentials"`
	ClockSkew           float64  `json:"clock_skew"` // seconds
	Anonymous           string   `json:"anonymous"`
	ValidateRequestBody bool     `json:"validate_request_body"`
	EnforceHeaders      []string `json:"enforce_headers"`
	Algorithms          []string `json:"algorithms"`
}

type auth struct{ config }

// The messages are Kong's.
var (
	noneBody  = plugin.Message("Unauthorized")
	wrongBody = plugin.Message("HMAC signature cannot be verified")
	dateBody  = plugin.Message("HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication")
	otherBody = plugin.Message("HMAC signature does not match")
)

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	a := &auth{}
	return a, plugin.DecodeConfig(c, &a.config)
}

// Access lets known consumers pass, and the anonymous one where there is one.
func (a *auth) Access(x *plugin.Exchange) (answered bool) {
	if a.Anonymous != "" && x.Authenticated {
		return false // as in Kong: one credential of several kinds is enough then
	}
	h := &x.Ctx.Request.Header
	known, refusal, err := a.check(x)
	switch {
	case err != nil:
		plugin.AnswerBodyError(&x.Ctx.Response, err)
		return true
	case refusal == nil:
		x.Identify(known.Credential, known.Secret.Username)
	case a.Anonymous != "" && x.IdentifyAnonymous(a.Anonymous):
	default:
		x.Ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "hmac")
		plugin.Answer(&x.Ctx.Response, fasthttp.StatusUnauthorized, refusal)
		return true
	}
	if a.HideCredentials {
		plugin.DeleteField(h, fasthttp.HeaderAuthorization)
	}
	return false
}

// check finds the credential that the request is signed with; refusal says why
// there is none. Proxy-Authorization, where Kong looks too, belongs to the client's
// connection and is gone by now.
func (a *auth) check(x *plugin.Exchange) (known plugin.HMACAuth, refusal []byte, err error) {
	h := &x.Ctx.Request.Header
	values := h.PeekAll(fasthttp.HeaderAuthorization)
	count := len(values)
	if count == 0 {
		return known, noneBody, nil
	}
	authorization := values[0] // the next PeekAll uses the list again
	s, ok := parse(authorization)
	if !a.isRecent(h, &s) {
		return known, dateBody, nil
	}
	if !ok || count > 1 || !s.isAccepted(&a.config) {
		return known, wrongBody, nil
	}
	if known, ok = x.Directory.HMACAuth(s.username); !ok {
		return known, wrongBody, nil
	}
	if !s.matches(x, known.Secret.Secret) {
		return known, otherBody, nil
	}
	if a.ValidateRequestBody {
		if ok, err = hasDigest(x); err != nil || !ok {
			return known, otherBody, err
		}
	}
	return known, nil, nil
}

// isRecent tells whether the request has a date that is near enough, which is one
// that was signed if any was: else a request that somebody has seen could be sent
// again at any time, with a new date beside the signed one. Kong takes either.
func (a *auth) isRecent(h *fasthttp.RequestHeader, s *signature) bool {
	xDate, date := s.covers("X-Date"), s.covers(fasthttp.HeaderDate)
	unsigned := !xDate && !date
	return (xDate || unsigned) && a.isTimely(h.PeekAll("X-Date")) || (date || unsigned) && a.isTimely(h.PeekAll(fasthttp.HeaderDate))
}

// isTimely tells whether a date is there, and near enough.
func (a *auth) isTimely(values [][]byte) bool {
	if len(values) != 1 {
		return false
	}
	at, err := http.ParseTime(string(values[0]))
	return err == nil && time.Since(at).Abs() <= time.Duration(a.ClockSkew*float64(time.Second))
}

// hasDigest tells whether the field Digest is of the body. A body that is longer
// than what is kept for plugins has none.
func hasDigest(x *plugin.Exchange) (bool, error) {
	body, whole, err := x.RequestBody(0)
	if err != nil || !whole {
		return false, err //nolint:wrapcheck // AnswerBodyError looks into it
	}
	digests := x.Ctx.Request.Header.PeekAll("Digest")
	if len(digests) == 0 {
		return len(body) == 0, nil
	}
	sum := sha256.Sum256(body)
	return len(digests) == 1 && string(digests[0]) == "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]), nil
}

// Authenticates marks the plugin as one that identifies the client.
func (a *auth) Authenticates() {}

// ReadsRequestBody is plugin.RequestBodyReader's.
func (a *auth) ReadsRequestBody() bool { return a.ValidateRequestBody }

var (
	_ plugin.AccessPhase       = (*auth)(nil)
	_ plugin.Authenticator     = (*auth)(nil)
	_ plugin.RequestBodyReader = (*auth)(nil)
)
