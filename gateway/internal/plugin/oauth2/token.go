package oauth2

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// reply is what the token endpoint answers: a token, or an error of RFC 6749, 5.2.
type reply struct {
	status    int
	challenge bool // the client showed its secret in the header field

	Error        string `json:"error,omitempty"`
	Description  string `json:"error_description,omitempty"`
	AccessToken  string `json:"access_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	ExpiresIn    int64  `json:"expires_in,omitempty"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	State        string `json:"state,omitempty"`
}

func refusal(kind, description string) *reply {
	return &reply{status: fasthttp.StatusBadRequest, Error: kind, Description: description}
}

// noClient refuses a client that is not known, or whose secret is wrong.
func noClient(inHeader bool) *reply {
	r := refusal("invalid_client", "Invalid client authentication")
	if inHeader {
		r.status, r.challenge = fasthttp.StatusUnauthorized, true
	}
	return r
}

func notNow(err error) *reply {
	r := refusal("temporarily_unavailable", "Tokens cannot be issued at the moment")
	if errors.Is(err, errBusy) {
		r.Description = "Too many clients ask for tokens at the moment"
	}
	r.status = fasthttp.StatusServiceUnavailable
	return r
}

func (a *auth) send(x *plugin.Exchange, r *reply) {
	body, err := json.Marshal(r)
	if err != nil { // texts and numbers have JSON
		body = nil
	}
	h := &x.Ctx.Response.Header
	h.Set(fasthttp.HeaderCacheControl, "no-store")
	h.Set(fasthttp.HeaderPragma, "no-cache")
	if r.challenge {
		h.Set(fasthttp.HeaderWWWAuthenticate, `Basic realm="OAuth2.0"`)
	}
	plugin.Answer(&x.Ctx.Response, r.status, body)
}

// issue answers a request for a token.
func (a *auth) issue(x *plugin.Exchange) {
	p, err := readParameters(x)
	if err != nil {
		plugin.AnswerBodyError(&x.Ctx.Response, err)
		return
	}
	r := a.grant(x, p)
	r.State = p.text("state")
	a.send(x, r)
}

// grant checks client and grant. Where several things are wrong, the client is what
// is told, as in Kong.
func (a *auth) grant(x *plugin.Exchange, p parameters) *reply {
	if !a.isHTTPS(x) {
		return refusal("access_denied", "You must use HTTPS")
	}
	client, refused := a.client(x, p)
	if refused != nil {
		return refused
	}
	switch {
	case a.store == nil:
		return refusal("unsupported_grant_type", "Tokens are not issued without a database")
	case x.Service == nil && !a.GlobalCredentials:
		return refusal("invalid_request", "The route has no service that a token could be for")
	}
	switch p.text("grant_type") {
	case "client_credentials":
		if a.EnableClientCredentials {
			return a.clientCredentials(x, client, p)
		}
	case "refresh_token":
		return a.refresh(x, client, p)
	}
	return refusal("unsupported_grant_type", "Invalid grant_type")
}

// isHTTPS tells whether the client's connection is encrypted: here, or as a trusted
// proxy says where that is accepted.
func (a *auth) isHTTPS(x *plugin.Exchange) bool {
	return x.Ctx.IsTLS() || x.Scheme == "https" && (!x.Trusted || a.AcceptTerminated)
}

// client finds the application that a request is of, and checks its secret.
func (a *auth) client(x *plugin.Exchange, p parameters) (*plugin.OAuth2Client, *reply) {
	id, secret := p.text("client_id"), p.text("client_secret")
	inHeader := false
	if values := x.Ctx.Request.Header.PeekAll(a.AuthHeaderName); len(values) > 0 && (id == "" || secret == "") {
		inHeader = true
		id, secret = basic(values)
	}
	client, ok := x.Directory.OAuth2Client(id)
	if !ok || id == "" {
		return nil, noClient(inHeader)
	}
	if client.Application.ClientType == public {
		if strings.TrimSpace(secret) != "" {
			return nil, refusal("invalid_request", "client_secret is disallowed for public clients")
		}
		return client, nil
	}
	ok = false
	if client.Application.HashSecret {
		if err := turn(a.hashing); err != nil {
			return nil, notNow(err)
		}
		ok = verifySecret(secret, client.Application.ClientSecret)
		<-a.hashing
	} else if client.Application.ClientSecret != "" {
		ok = same(secret, client.Application.ClientSecret)
	}
	if !ok {
		return nil, noClient(inHeader)
	}
	return client, nil
}

// basic reads the name and the password of RFC 7617. Of several fields it is unknown
// which one is meant, so that they show none.
func basic(values [][]byte) (id, secret string) {
	scheme, text, ok := bytes.Cut(bytes.TrimSpace(values[0]), []byte{' '})
	if !ok || len(values) > 1 || !bytes.EqualFold(scheme, []byte("basic")) {
		return "", ""
	}
	plain, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		return "", ""
	}
	id, secret, _ = strings.Cut(string(plain), ":")
	return id, secret
}

// clientCredentials issues a token to the client itself (RFC 6749, 4.4).
func (a *auth) clientCredentials(x *plugin.Exchange, client *plugin.OAuth2Client, p parameters) *reply {
	if client.Application.ClientType == public {
		return refusal("unauthorized_client", "A public client has no credentials to be given a token for")
	}
	_, named := p["authenticated_userid"]
	if named && !same(p.text("provision_key"), a.ProvisionKey) {
		return refusal("invalid_provision_key", "Invalid provision_key")
	}
	scope, refused := a.scope(p)
	if refused != nil {
		return refused
	}
	return a.keep(&entity.OAuth2Token{
		Service: a.serviceOf(x), Credential: entity.Ref{ID: client.ID}, UserID: p.text("authenticated_userid"), Scope: scope,
	}, nil)
}

// scope checks the scopes that a request asks for.
func (a *auth) scope(p parameters) (string, *reply) {
	asked, given := p["scope"]
	switch {
	case given && asked.odd:
		return "", refusal("invalid_scope", "scope must be a string")
	case !given && a.MandatoryScope:
		return "", refusal("invalid_scope", "You must specify a scope")
	case !given || a.Scopes == nil:
		return "", nil
	}
	scopes := strings.Fields(asked.value)
	for _, s := range scopes {
		if !slices.Contains(a.Scopes, s) {
			return "", refusal("invalid_scope", `"`+s+`" is an invalid scope`)
		}
	}
	if len(scopes) == 0 && a.MandatoryScope {
		return "", refusal("invalid_scope", "You must specify a scope")
	}
	return strings.Join(scopes, " "), nil
}

// serviceOf is what a token is good for, nil: all services.
func (a *auth) serviceOf(x *plugin.Exchange) *entity.Ref {
	if a.GlobalCredentials {
		return nil
	}
	return &entity.Ref{ID: x.Service.ID}
}

// refresh replaces a token (RFC 6749, 6).
func (a *auth) refresh(x *plugin.Exchange, client *plugin.OAuth2Client, p parameters) *reply {
	if uri, given := p["redirect_uri"]; given && (uri.odd || !slices.Contains(client.Application.RedirectURIs, uri.value)) {
		return refusal("invalid_request",
			"Invalid redirect_uri that does not match with any redirect_uri created with the application")
	}
	shown := p.text("refresh_token")
	wrong := refusal("invalid_request", "Invalid refresh_token")
	if shown == "" {
		return wrong
	}
	if err := turn(a.querying); err != nil {
		return notNow(err)
	}
	old, err := a.store.RefreshToken(context.Background(), shown)
	<-a.querying
	switch {
	case err != nil:
		a.log.Warn("oauth2: a refresh token cannot be looked up", "error", err)
		return notNow(err)
	case old == nil || !same(old.RefreshToken, shown):
		return wrong
	case !a.GlobalCredentials && (old.Service == nil || old.Service.ID != x.Service.ID):
		return wrong
	case old.Credential.ID != client.ID:
		return refusal("invalid_client", "Invalid client authentication")
	}
	return a.keep(&entity.OAuth2Token{
		Service: a.serviceOf(x), Credential: old.Credential, UserID: old.UserID, Scope: old.Scope,
	}, old)
}

// keep completes a token, stores it in the place of old, which may be nil, and
// makes the answer.
func (a *auth) keep(t, old *entity.OAuth2Token) *reply {
	now := a.now()
	t.ID, t.CreatedAt = uuid.NewString(), now.Unix()
	t.TokenType, t.AccessToken = bearer, plugin.NewSecret()
	t.ExpiresIn = int64(math.Ceil(a.TokenExpiration))
	ttl := time.Duration(t.ExpiresIn) * time.Second // of its row
	replaces := ""
	if old != nil {
		replaces = old.ID
		if a.ReuseRefreshToken {
			t.ID, t.RefreshToken = old.ID, old.RefreshToken
		} else if t.ExpiresIn > 0 {
			t.RefreshToken = plugin.NewSecret()
		}
	}
	if t.ExpiresIn > 0 && t.RefreshToken != "" {
		ttl = time.Duration(math.Ceil(a.RefreshTokenTTL)) * time.Second
	}
	if err := turn(a.querying); err != nil {
		return notNow(err)
	}
	err := a.store.IssueToken(context.Background(), t, ttl, replaces)
	<-a.querying
	switch {
	case errors.Is(err, entity.ErrTokenGone):
		return refusal("invalid_request", "Invalid refresh_token")
	case err != nil:
		a.log.Warn("oauth2: a token cannot be stored", "error", err)
		return notNow(err)
	}
	if old != nil {
		a.found.forget(plugin.KeyOfToken([]byte(old.AccessToken)))
	}
	return &reply{
		status: fasthttp.StatusOK, AccessToken: t.AccessToken, TokenType: bearer, ExpiresIn: t.ExpiresIn, RefreshToken: t.RefreshToken,
	}
}
