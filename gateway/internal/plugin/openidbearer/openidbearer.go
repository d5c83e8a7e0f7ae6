package openidbearer

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/fetching"
)

// config is the configuration as it is stored.
type config struct {
	Issuer                string   `json:"issuer"`
	Discovery             bool     `json:"discovery"`
	JWKSURI               string   `json:"jwks_uri"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	AllowedHosts          []string `json:"allowed_hosts"`
	Audiences             []string `json:"audiences"`
	ScopesRequired        []string `json:"scopes_required"`
	Algorithms            []string `json:"algorithms"`
	Leeway                float64  `json:"leeway"` // seconds
	Introspection         string   `json:"introspection"`
	ClientID              string   `json:"client_id"`
	ClientSecret          string   `json:"client_secret"`
	IntrospectionTTL      float64  `json:"introspection_ttl"` // seconds
	ConsumerClaim         string   `json:"consumer_claim"`
	ConsumerBy            []string `json:"consumer_by"`
	ConsumerOptional      bool     `json:"consumer_optional"`
	Anonymous             string   `json:"anonymous"`
	HeaderName            string   `json:"header_name"`
	HideCredentials       bool     `json:"hide_credentials"`
	RunOnPreflight        bool     `json:"run_on_preflight"`
	Refresh               float64  `json:"refresh"` // seconds
}

// shared is what lasts longer than one configuration.
type shared struct {
	client    *fetching.Client
	mu        sync.Mutex
	providers map[location]*provider
}

func newShared() *shared {
	return &shared{client: fetching.New(timeout), providers: map[location]*provider{}}
}

// auth is the plugin.
type auth struct {
	config
	provider *provider
	parser   *jwt.Parser
	now      func() time.Time
	log      *slog.Logger
}

func (s *shared) newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	a := &auth{now: time.Now, log: d.Logger()}
	if err := plugin.DecodeConfig(c, &a.config); err != nil {
		return nil, err
	}
	a.parser = jwt.NewParser(jwt.WithValidMethods(a.Algorithms))
	at := location{
		issuer: a.Issuer, keys: a.JWKSURI, introspection: a.IntrospectionEndpoint, hosts: strings.Join(a.AllowedHosts, " "),
		clientID: a.ClientID, clientSecret: a.ClientSecret, discovery: a.Discovery,
		refresh: time.Duration(a.Refresh) * time.Second, ttl: time.Duration(a.IntrospectionTTL) * time.Second,
	}
	s.mu.Lock()
	if s.providers[at] == nil {
		s.providers[at] = newProvider(at, s.client, a.log)
	}
	a.provider = s.providers[at]
	s.mu.Unlock()
	if a.Introspection != always {
		a.provider.keys.Start()
	}
	return a, nil
}

// keep forgets the providers that no plugin in use asks.
func (s *shared) keep(plugins []plugin.Plugin) {
	used := map[*provider]bool{}
	for _, p := range plugins {
		if a, ok := p.(*auth); ok {
			used[a.provider] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, p := range s.providers {
		if !used[p] {
			delete(s.providers, at)
		}
	}
	if len(s.providers) == 0 {
		s.client.Close()
	}
}

// denial is why a request is refused, in the words of RFC 6750, 3.1.
type denial struct {
	status      int
	kind        string // "": the request shows no token
	description string
}

func invalid(why string) *denial { return &denial{fasthttp.StatusUnauthorized, "invalid_token", why} }

// Access lets requests with a good token pass, and those of the anonymous consumer
// where there is one.
func (a *auth) Access(x *plugin.Exchange) (answered bool) {
	if !a.RunOnPreflight && x.Ctx.IsOptions() || a.Anonymous != "" && x.Authenticated {
		return false
	}
	h := &x.Ctx.Request.Header
	text, refused := a.presented(h)
	var claims map[string]any
	if refused == nil {
		claims, refused = a.claims(text)
	}
	if refused == nil {
		refused = a.identify(x, claims)
	}
	if refused != nil {
		out := refused.status != fasthttp.StatusUnauthorized || a.Anonymous == "" || !x.IdentifyAnonymous(a.Anonymous)
		if out {
			a.refuse(x, refused)
			return true
		}
		claims = nil
	}
	subject, scope := textOf(claims["sub"]), strings.Join(scopesOf(claims), " ")
	tell(h, "X-Authenticated-Userid", subject)
	tell(h, "X-Authenticated-Scope", scope)
	switch {
	case a.HideCredentials:
		plugin.DeleteField(h, a.HeaderName)
		x.IdentifySubject(subject, scope)
	case claims != nil && !strings.EqualFold(a.HeaderName, fasthttp.HeaderAuthorization): // where a cache sees it
		x.IdentifySubject(text)
	}
	return false
}

// tell leaves one field of the name, or none. What has a line break tells nothing.
func tell(h *fasthttp.RequestHeader, name, value string) {
	plugin.DeleteField(h, name)
	if value != "" && !strings.ContainsAny(value, "\r\n\x00") {
		h.Set(name, value)
	}
}

func (a *auth) refuse(x *plugin.Exchange, d *denial) {
	challenge := `Bearer realm="` + strings.ReplaceAll(a.Issuer, `"`, "") + `"`
	body := map[string]string{"message": d.description}
	if d.kind != "" {
		challenge += `, error="` + d.kind + `", error_description="` + d.description + `"`
		if d.kind == "insufficient_scope" {
			challenge += `, scope="` + strings.ReplaceAll(strings.Join(a.ScopesRequired, " "), `"`, "") + `"`
		}
		body["error"] = d.kind
	}
	raw, err := json.Marshal(body)
	if err != nil { // texts have JSON
		raw = nil
	}
	if d.status != fasthttp.StatusServiceUnavailable {
		x.Ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, challenge)
	}
	plugin.Answer(&x.Ctx.Response, d.status, raw)
}

// presented is the token that a request shows. Of several fields it is unknown which
// one the upstream reads, so that they show none.
func (a *auth) presented(h *fasthttp.RequestHeader) (string, *denial) {
	values := h.PeekAll(a.HeaderName)
	if len(values) == 0 {
		return "", &denial{fasthttp.StatusUnauthorized, "", "Unauthorized"}
	}
	scheme, token, ok := bytes.Cut(bytes.TrimSpace(values[0]), []byte{' '})
	if token = bytes.TrimSpace(token); !ok || len(values) > 1 || !bytes.EqualFold(scheme, []byte("bearer")) || len(token) == 0 {
		return "", invalid("want one field with Bearer and a token")
	}
	return string(token), nil
}

// identify finds the consumer that a token is of.
func (a *auth) identify(x *plugin.Exchange, claims map[string]any) *denial {
	name := textOf(claims[a.ConsumerClaim])
	for _, by := range a.ConsumerBy {
		if name == "" {
			break
		}
		var c *entity.Consumer
		var ok bool
		if by == "custom_id" {
			c, ok = x.Directory.ConsumerByCustomID(name)
		} else if c, ok = x.Directory.Consumer(name); ok {
			ok = by == "username" && c.Username == name || by == "id" && strings.EqualFold(c.ID, name)
		}
		if ok {
			x.Identify(plugin.Credential{ID: a.Issuer + " " + name, Consumer: c}, name)
			return nil
		}
	}
	if !a.ConsumerOptional {
		return &denial{fasthttp.StatusForbidden, "access_denied", "the token is of no consumer"}
	}
	for _, field := range []string{"X-Consumer-Id", "X-Consumer-Username", "X-Consumer-Custom-Id", "X-Credential-Identifier",
		"X-Anonymous-Consumer"} {
		plugin.DeleteField(&x.Ctx.Request.Header, field)
	}
	return nil
}

// CredentialNames is plugin.CredentialReader's.
func (a *auth) CredentialNames() []string { return []string{a.HeaderName} }

// Authenticates marks the plugin as one that identifies the client.
func (a *auth) Authenticates() {}

var (
	_ plugin.AccessPhase      = (*auth)(nil)
	_ plugin.Authenticator    = (*auth)(nil)
	_ plugin.CredentialReader = (*auth)(nil)
)
