package jwt

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/jwks"
)

// config is the configuration as it is stored.
type config struct {
	URIParamNames     []string `json:"uri_param_names"`
	CookieNames       []string `json:"cookie_names"`
	HeaderNames       []string `json:"header_names"`
	KeyClaimName      string   `json:"key_claim_name"`
	SecretIsBase64    bool     `json:"secret_is_base64"`
	ClaimsToVerify    []string `json:"claims_to_verify"`
	Anonymous         string   `json:"anonymous"`
	RunOnPreflight    bool     `json:"run_on_preflight"`
	MaximumExpiration float64  `json:"maximum_expiration"` // seconds; 0: none

	JWKSURIs    map[string]string `json:"jwks_uris"`    // by the key that names a credential
	JWKSRefresh float64           `json:"jwks_refresh"` // seconds
}

// auth knows a consumer by a token.
type auth struct {
	config
	parser  *jwt.Parser
	sources map[string]*jwks.Source // by the key that names a credential
}

// shared is what lasts longer than one configuration.
type shared struct{ keys *jwks.Registry }

func (s *shared) newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	a := &auth{parser: jwt.NewParser(), sources: map[string]*jwks.Source{}}
	if err := plugin.DecodeConfig(c, &a.config); err != nil {
		return nil, err
	}
	for name, uri := range a.JWKSURIs {
		source := s.keys.Source(uri, time.Duration(a.JWKSRefresh)*time.Second, d.Logger())
		source.Start()
		a.sources[name] = source
	}
	return a, nil
}

// keep forgets the keys that no plugin in use asks for.
func (s *shared) keep(plugins []plugin.Plugin) {
	used := map[*jwks.Source]bool{}
	for _, p := range plugins {
		if a, ok := p.(*auth); ok {
			for _, source := range a.sources {
				used[source] = true
			}
		}
	}
	s.keys.Keep(used)
}

// Access lets known consumers pass, and the anonymous one where there is one.
func (a *auth) Access(x *plugin.Exchange) (answered bool) {
	if !a.RunOnPreflight && x.Ctx.IsOptions() {
		return false
	}
	if a.Anonymous != "" && x.Authenticated {
		return false // as in Kong: one credential of several kinds is enough then
	}
	credential, token, refusal := a.authenticate(x)
	if refusal == nil {
		x.Identify(credential.Credential, credential.Secret.Key)
		if !a.inAuthorization(&x.Ctx.Request.Header, token) { // where a cache sees it
			x.IdentifySubject(token)
		}
		return false
	}
	if a.Anonymous != "" && x.IdentifyAnonymous(a.Anonymous) {
		return false
	}
	body, err := json.Marshal(refusal)
	if err != nil { // a map of texts has none
		body = []byte(`{"message":"Unauthorized"}`)
	}
	x.Ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer") // RFC 9110, 15.5.2
	plugin.Answer(&x.Ctx.Response, fasthttp.StatusUnauthorized, body)
	return true
}

// refusal is what the client is told: a message, or what is wrong by claim.
type refusal map[string]string

func refuse(message string) refusal { return refusal{"message": message} }

// authenticate finds the credential whose token the request has. The messages are
// Kong's.
func (a *auth) authenticate(x *plugin.Exchange) (credential *plugin.JWT, token string, refused refusal) {
	switch tokens := a.tokens(x); {
	case len(tokens) == 0:
		return nil, "", refuse("Unauthorized")
	case len(tokens) > 1:
		return nil, "", refuse("Multiple tokens provided")
	default:
		credential, refused = a.verify(x.Directory, tokens[0])
		return credential, tokens[0], refused
	}
}

// inAuthorization tells whether the token is in that field, which the plugin may not
// look into.
func (a *auth) inAuthorization(h *fasthttp.RequestHeader, token string) bool {
	return slices.ContainsFunc(h.PeekAll(fasthttp.HeaderAuthorization), func(v []byte) bool {
		m := bearerRE.FindSubmatch(v)
		return m != nil && string(m[1]) == token
	})
}

func (a *auth) verify(d *plugin.Directory, text string) (*plugin.JWT, refusal) {
	claims := jwt.MapClaims{}
	token, parts, err := a.parser.ParseUnverified(text, claims)
	if err != nil {
		return nil, refuse("Bad token; " + whyBad(token, err))
	}
	if token.Method == jwt.SigningMethodNone {
		return nil, refuse("Bad token; invalid alg")
	}
	if _, ok := token.Header["crit"]; ok { // RFC 7515, 4.1.11: none is understood
		return nil, refuse("Bad token; invalid crit")
	}
	key, ok := claims[a.KeyClaimName]
	if !ok || key == nil {
		key, ok = token.Header[a.KeyClaimName]
	}
	if !ok || key == nil {
		return nil, refuse("No mandatory '" + a.KeyClaimName + "' in claims")
	}
	name, ok := key.(string)
	if !ok || name == "" {
		return nil, refuse("Invalid '" + a.KeyClaimName + "' in claims")
	}
	credential, ok := d.JWT(name)
	if !ok {
		return nil, refuse("No credentials found for given '" + a.KeyClaimName + "'")
	}
	if refused := a.checkSignature(credential, token, parts[0]+"."+parts[1]); refused != nil {
		return nil, refused
	}
	if wrong := a.checkClaims(claims, time.Now()); wrong != nil {
		return nil, wrong
	}
	return credential, nil
}

// checkSignature verifies with the keys of the issuer's URL, where it has one, or
// with the credential.
func (a *auth) checkSignature(credential *plugin.JWT, token *jwt.Token, signed string) refusal {
	if source := a.sources[credential.Secret.Key]; source != nil {
		switch err := source.Verify(token, signed); {
		case err == nil:
			return nil
		case errors.Is(err, jwks.ErrUnavailable):
			return refuse("The keys of the issuer are not available")
		}
		return refuse("Invalid signature")
	}
	if token.Method.Alg() != credential.Secret.Algorithm {
		return refuse("Invalid algorithm")
	}
	secret, err := a.key(credential)
	if err != nil {
		return refuse("Invalid key/secret")
	}
	// With the method that the credential has: the two were compared.
	if token.Method.Verify(signed, token.Signature, secret) != nil {
		return refuse("Invalid signature")
	}
	return nil
}

// key is made of public keys once; a secret that is base64 for one plugin need not
// be for another.
func (a *auth) key(credential *plugin.JWT) (any, error) {
	parse := verificationKey(a.SecretIsBase64)
	if m, ok := methodNamed(credential.Secret.Algorithm); ok && m.isShared() {
		return parse(credential.Secret)
	}
	return credential.Key(parse)
}

// whyBad is Kong's word for what is wrong with a token's form.
func whyBad(token *jwt.Token, err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return "invalid alg"
	case token != nil && token.Method != nil:
		return "invalid signature"
	}
	return "invalid JSON"
}

var bearerRE = regexp.MustCompile(`^\s*[Bb]earer\s+(.+)$`)

// tokens are the different ones that a request has, in all places where they may be.
func (a *auth) tokens(x *plugin.Exchange) (found []string) {
	h := &x.Ctx.Request.Header
	add := func(token []byte) {
		if len(token) > 0 && !slices.Contains(found, string(token)) {
			found = append(found, string(token))
		}
	}
	for _, name := range a.URIParamNames {
		for v := range plugin.Values(plugin.Query(h), name) {
			add(v)
		}
	}
	if len(a.CookieNames) > 0 {
		for name, v := range h.Cookies() {
			if slices.Contains(a.CookieNames, string(name)) {
				add(v)
			}
		}
	}
	for _, name := range a.HeaderNames {
		for _, v := range h.PeekAll(name) {
			if m := bearerRE.FindSubmatch(v); m != nil {
				add(m[1])
			}
		}
	}
	return found
}

// CredentialNames is plugin.CredentialReader's.
func (a *auth) CredentialNames() []string {
	return slices.Concat(a.HeaderNames, a.URIParamNames, a.CookieNames)
}

// Authenticates marks the plugin as one that identifies the client.
func (a *auth) Authenticates() {}

var (
	_ plugin.AccessPhase      = (*auth)(nil)
	_ plugin.Authenticator    = (*auth)(nil)
	_ plugin.CredentialReader = (*auth)(nil)
)
