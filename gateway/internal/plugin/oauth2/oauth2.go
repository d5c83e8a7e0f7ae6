package oauth2

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the configuration as it is stored. pkce is of a grant that there is not.
type config struct {
	Scopes                  []string `json:"scopes"`
	MandatoryScope          bool     `json:"mandatory_scope"`
	ProvisionKey            string   `json:"provision_key"`
	TokenExpiration         float64  `json:"token_expiration"` // seconds; 0: never
	EnableClientCredentials bool     `json:"enable_client_credentials"`
	HideCredentials         bool     `json:"hide_credentials"`
	AcceptTerminated        bool     `json:"accept_http_if_already_terminated"`
	Anonymous               string   `json:"anonymous"`
	GlobalCredentials       bool     `json:"global_credentials"`
	AuthHeaderName          string   `json:"auth_header_name"`
	RefreshTokenTTL         float64  `json:"refresh_token_ttl"` // seconds; 0: never
	ReuseRefreshToken       bool     `json:"reuse_refresh_token"`
}

const (
	bearer          = "bearer"
	accessTokenName = "access_token"
	// maxQueries is how many requests ask the database for tokens at once; others wait.
	maxQueries = 8
	// maxWait is how long a request waits for its turn.
	maxWait = time.Second
)

// shared is what lasts longer than one configuration.
type shared struct {
	found    *tokenCache
	hashing  chan struct{} // holds an element for each secret that is being hashed
	querying chan struct{} // holds an element for each request that asks the database
}

// auth issues tokens, and knows a consumer by one.
type auth struct {
	config
	*shared
	store plugin.TokenStore // nil: there is no database
	log   *slog.Logger
	now   func() time.Time
}

func (s *shared) newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	a := &auth{shared: s, store: d.Tokens, now: time.Now, log: d.Logger()}
	return a, plugin.DecodeConfig(c, &a.config)
}

// errBusy says that too many requests were before this one.
var errBusy = errors.New("too many requests wait for tokens")

// turn waits for a place in a queue.
func turn(queue chan struct{}) error {
	select {
	case queue <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case queue <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	}
}

var (
	tokenPath     = []byte("/oauth2/token")
	authorizePath = []byte("/oauth2/authorize")
)

// Access answers what asks for a token, and lets known consumers pass, and the
// anonymous one where there is one.
func (a *auth) Access(x *plugin.Exchange) (answered bool) {
	if a.Anonymous != "" && x.Authenticated {
		return false // as in Kong: one credential of several kinds is enough then
	}
	if x.Ctx.IsPost() {
		path, _, _ := bytes.Cut(x.Ctx.Request.Header.RequestURI(), []byte{'?'})
		switch {
		case bytes.Contains(path, tokenPath):
			a.issue(x)
			return true
		case bytes.Contains(path, authorizePath):
			a.send(x, refusal("unsupported_response_type", "Invalid response_type"))
			return true
		}
	}
	text, err := a.presented(x)
	if err != nil {
		plugin.AnswerBodyError(&x.Ctx.Response, err)
		return true
	}
	token, client, refused := a.authenticate(x, text)
	switch {
	case refused == nil:
		x.Identify(client.Credential, client.Application.ClientID)
		a.identifySubject(x, text, token)
	case refused.status != fasthttp.StatusServiceUnavailable && a.Anonymous != "" && x.IdentifyAnonymous(a.Anonymous):
		token = &entity.OAuth2Token{}
	default:
		refused.write(x)
		return true
	}
	tell(&x.Ctx.Request.Header, "X-Authenticated-Scope", token.Scope)
	tell(&x.Ctx.Request.Header, "X-Authenticated-Userid", token.UserID)
	return false
}

// identifySubject notes whose the token is, unless a cache sees it in Authorization.
func (a *auth) identifySubject(x *plugin.Exchange, text []byte, token *entity.OAuth2Token) {
	switch {
	case a.HideCredentials:
		x.IdentifySubject(token.UserID, token.Scope)
	case strings.EqualFold(a.AuthHeaderName, fasthttp.HeaderAuthorization) && plugin.HasField(&x.Ctx.Request.Header, a.AuthHeaderName):
	default:
		x.IdentifySubject(string(text))
	}
}

// tell leaves one field of the name, or none.
func tell(h *fasthttp.RequestHeader, name, value string) {
	plugin.DeleteField(h, name)
	if value != "" {
		h.Set(name, value)
	}
}

// denial is why a bearer token is not taken.
type denial struct {
	status    int
	challenge string
	body      []byte
}

func (d *denial) write(x *plugin.Exchange) {
	r := &x.Ctx.Response
	if d.challenge != "" {
		r.Header.Set(fasthttp.HeaderWWWAuthenticate, d.challenge)
	}
	plugin.Answer(r, d.status, d.body)
}

// The messages are Kong's.
const realm = `Bearer realm="service"`

var (
	missing = &denial{fasthttp.StatusUnauthorized, realm,
		[]byte(`{"error":"invalid_request","error_description":"The access token is missing"}`)}
	invalid = &denial{fasthttp.StatusUnauthorized,
		realm + ` error="invalid_token" error_description="The access token is invalid or has expired"`,
		[]byte(`{"error":"invalid_token","error_description":"The access token is invalid or has expired"}`)}
	isGlobal = &denial{fasthttp.StatusUnauthorized,
		realm + ` error="invalid_token" error_description="The access token is invalid or has expired"`,
		[]byte(`{"error":"invalid_token","error_description":"The access token is global, but the current plugin is ` +
			`configured without 'global_credentials'"}`)}
	unavailable = &denial{fasthttp.StatusServiceUnavailable, "",
		[]byte(`{"error":"temporarily_unavailable","error_description":"Tokens cannot be checked at the moment"}`)}
)

// authenticate finds the token that a request shows, and whose it is.
func (a *auth) authenticate(x *plugin.Exchange, text []byte) (*entity.OAuth2Token, *plugin.OAuth2Client, *denial) {
	if len(text) == 0 {
		return nil, nil, missing
	}
	token, err := a.lookup(x, text)
	if err != nil {
		a.log.Warn("oauth2: tokens cannot be looked up", "error", err)
		return nil, nil, unavailable
	}
	if token == nil || !same(token.AccessToken, plugin.View(text)) || hasEnded(token, a.now()) {
		return nil, nil, invalid
	}
	switch {
	case token.Service == nil && !a.GlobalCredentials:
		return nil, nil, isGlobal
	case token.Service != nil && (x.Service == nil || x.Service.ID != token.Service.ID):
		return nil, nil, invalid
	}
	client, ok := x.Directory.OAuth2ClientByID(token.Credential.ID)
	if !ok {
		return nil, nil, invalid
	}
	return token, client, nil
}

// hasEnded tells whether the access token's time is over.
func hasEnded(t *entity.OAuth2Token, now time.Time) bool {
	if t.ExpiresAt != 0 && now.UnixMilli() >= t.ExpiresAt {
		return true
	}
	return t.ExpiresIn > 0 && now.UnixMilli()-t.CreatedAt*1000 > t.ExpiresIn*1000
}

// lookup finds a token in the file, in memory or in the database, nil where there is
// none. A token that is known is taken while the database does not answer.
func (a *auth) lookup(x *plugin.Exchange, text []byte) (*entity.OAuth2Token, error) {
	key := plugin.KeyOfToken(text)
	if t, ok := x.Directory.OAuth2Token(key); ok || a.store == nil {
		return t, nil
	}
	now := a.now()
	known, ask := a.found.find(key, now)
	if !ask {
		return known, nil
	}
	if err := turn(a.querying); err != nil {
		return known, unless(known, err)
	}
	defer func() { <-a.querying }()
	t, err := a.store.AccessToken(context.Background(), string(text))
	if err != nil {
		return known, unless(known, err)
	}
	a.found.keep(key, t, now)
	return t, nil
}

// unless is no error where a token is known.
func unless(known *entity.OAuth2Token, err error) error {
	if known != nil {
		return nil
	}
	return err
}

// ReadsRequestBody tells that parameters may be in the body.
func (a *auth) ReadsRequestBody() bool { return true }

// CredentialNames is plugin.CredentialReader's.
func (a *auth) CredentialNames() []string {
	return []string{a.AuthHeaderName, accessTokenName, "refresh_token", "client_secret", "provision_key"}
}

// Authenticates marks the plugin as one that identifies the client.
func (a *auth) Authenticates() {}

var (
	_ plugin.AccessPhase       = (*auth)(nil)
	_ plugin.RequestBodyReader = (*auth)(nil)
	_ plugin.Authenticator     = (*auth)(nil)
	_ plugin.CredentialReader  = (*auth)(nil)
)
