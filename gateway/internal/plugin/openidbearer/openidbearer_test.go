package openidbearer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/proxycache"
)

var uses = entitytest.Uses{
	"openid-bearer.issuer":                 ".: a.Issuer",
	"openid-bearer.discovery":              ".: a.Discovery",
	"openid-bearer.jwks_uri":               ".: a.JWKSURI",
	"openid-bearer.introspection_endpoint": ".: a.IntrospectionEndpoint",
	"openid-bearer.allowed_hosts":          ".: a.AllowedHosts",
	"openid-bearer.audiences":              ".: a.Audiences",
	"openid-bearer.scopes_required":        ".: a.ScopesRequired",
	"openid-bearer.algorithms":             ".: a.Algorithms",
	"openid-bearer.leeway":                 ".: a.Leeway",
	"openid-bearer.introspection":          ".: a.Introspection",
	"openid-bearer.client_id":              ".: a.ClientID",
	"openid-bearer.client_secret":          ".: a.ClientSecret",
	"openid-bearer.introspection_ttl":      ".: a.IntrospectionTTL",
	"openid-bearer.consumer_claim":         ".: a.ConsumerClaim",
	"openid-bearer.consumer_by":            ".: a.ConsumerBy",
	"openid-bearer.consumer_optional":      ".: a.ConsumerOptional",
	"openid-bearer.anonymous":              ".: a.Anonymous",
	"openid-bearer.header_name":            ".: a.HeaderName",
	"openid-bearer.hide_credentials":       ".: a.HideCredentials",
	"openid-bearer.run_on_preflight":       ".: a.RunOnPreflight",
	"openid-bearer.refresh":                ".: a.Refresh",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"openid-bearer": Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 1050, Config: `{"issuer":"https://i"}`,
		Refused: map[string]string{
			`{}`:                       "config.issuer: required field missing",
			`{"issuer":"https://i?a"}`: "config.issuer: must have neither a query nor a fragment",
			`{"issuer":"https://i","introspection":"always"}`:                                   "config.client_id: required field missing",
			`{"issuer":"https://i","discovery":false}`:                                          "config.jwks_uri: required field missing",
			`{"issuer":"https://i","discovery":false,"introspection":"always","client_id":"c"}`: "config.introspection_endpoint: required",
			`{"issuer":"https://i","algorithms":["HS256"]}`:                                     "config.algorithms: expected one of: RS256",
			`{"issuer":"https://i","algorithms":[]}`:                                            "config.algorithms: length must be at least 1",
		},
	}.Check(t, Definition())
}

// issuer is a provider.
type issuer struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	asked  atomic.Int64 // about tokens
	edit   func(document map[string]any)
	answer func(token string) map[string]any
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{edit: func(map[string]any) {}}
	var err error
	if i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	point, err := i.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		d := map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "introspection_endpoint": i.URL + "/introspect"}
		i.edit(d)
		_ = json.NewEncoder(w).Encode(d)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{
			map[string]any{"kty": "EC", "crv": "P-256", "kid": "1", "x": encode(point[1:33]), "y": encode(point[33:])},
		}})
	})
	mux.HandleFunc("/introspect", func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		if name, password, _ := r.BasicAuth(); name != "id" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(i.answer(r.FormValue("token")))
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

type c = map[string]any

func (i *issuer) sign(t *testing.T, claims c) string {
	t.Helper()
	all := jwt.MapClaims{"iss": i.URL, "sub": "C", "exp": time.Now().Add(time.Minute).Unix(), "aud": "api", "scope": "read write"}
	for k, v := range claims {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, all)
	token.Header["kid"] = "1"
	text, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func start(t *testing.T, i *issuer, config c) *plugintest.Gateway {
	t.Helper()
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		fmt.Fprintf(w, "%s,%s,%s,%s,%d", h.Get("X-Consumer-Username"), h["X-Authenticated-Userid"], h["X-Authenticated-Scope"],
			h.Get("X-Anonymous-Consumer"), len(h["Authorization"]))
	})
	full := c{"issuer": i.URL}
	for k, v := range config {
		full[k] = v
	}
	return plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition()}, func(cfg *entity.Config) {
		cfg.Consumers = append(cfg.Consumers, entity.Consumer{ID: "c2", Username: "carol", CustomID: "C"},
			entity.Consumer{ID: "c3", Username: "guest"})
	}, entity.Record{"name": "openid-bearer", "config": full})
}

func ask(t *testing.T, g *plugintest.Gateway, token string, header ...string) string {
	t.Helper()
	if token != "" {
		header = append(header, "Authorization:Bearer "+token)
	}
	res, body := g.Send(t, http.MethodGet, "/", "", append(header, "X-Authenticated-Userid:root", "X-Authenticated-Scope:all")...)
	challenge := res.Header.Get("WWW-Authenticate")
	if (res.StatusCode == 401 || res.StatusCode == 403) != strings.HasPrefix(challenge, "Bearer realm=") {
		t.Errorf("%d with %q", res.StatusCode, challenge)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

func TestTokens(t *testing.T) {
	i := newIssuer(t)
	const carol = "200 carol,[C],[read write],,1"
	now := time.Now().Unix()
	g := start(t, i, c{"audiences": []any{"api", "x"}, "scopes_required": []any{"read"}})
	for name, tt := range map[string]struct{ token, want string }{
		"good":                {i.sign(t, nil), carol},
		"several audiences":   {i.sign(t, c{"aud": []string{"y", "x"}}), carol},
		"scopes as a list":    {i.sign(t, c{"scope": nil, "scp": []string{"read"}}), "200 carol,[C],[read],,1"},
		"none":                {"", `401 {"message":"Unauthorized"}`},
		"no token at all":     {"x", "malformed"},
		"expired":             {i.sign(t, c{"exp": now - 1}), "the token has expired"},
		"without an end":      {i.sign(t, c{"exp": nil}), "the token has no end"},
		"an end that is text": {i.sign(t, c{"exp": "9999999999"}), "the token has no end"},
		"not yet":             {i.sign(t, c{"nbf": now + 60}), "the token is not valid yet"},
		"another issuer":      {i.sign(t, c{"iss": "https://other"}), "the token is of another issuer"},
		"no issuer":           {i.sign(t, c{"iss": nil}), "the token is of another issuer"},
		"another audience":    {i.sign(t, c{"aud": "y"}), "the token is for another audience"},
		"no audience":         {i.sign(t, c{"aud": nil}), "the token is for another audience"},
		"too few scopes":      {i.sign(t, c{"scope": "readers write"}), `403 {"error":"insufficient_scope"`},
		"no consumer":         {i.sign(t, c{"sub": "nobody"}), `403 {"error":"access_denied"`},
		"unsigned":            {strings.Join(strings.Split(i.sign(t, nil), ".")[:2], ".") + ".AAAA", "the signature is wrong"},
	} {
		got := ask(t, g, tt.token)
		if !strings.Contains(got, tt.want) || tt.want != carol && strings.HasPrefix(got, carol) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	plain := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": i.URL, "sub": "C", "exp": now + 60})
	text, err := plain.SignedString([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, g, text); !strings.Contains(got, "of an algorithm that is not taken") {
		t.Errorf("a shared secret: %s", got)
	}
	token := i.sign(t, nil)
	if got := ask(t, g, token, "Authorization:Bearer "+token); !strings.HasPrefix(got, "401") {
		t.Errorf("two fields: %s", got)
	}
}

func TestWhoItIs(t *testing.T) {
	i := newIssuer(t)
	for name, tt := range map[string]struct {
		config, claims c
		want           string
	}{
		"by username":      {c{"consumer_claim": "u", "consumer_by": []any{"username"}}, c{"u": "alice"}, "200 alice,[C],"},
		"an id is no name": {c{"consumer_claim": "u", "consumer_by": []any{"username"}}, c{"u": "c1"}, "403"},
		"by id":            {c{"consumer_claim": "u", "consumer_by": []any{"custom_id", "id"}}, c{"u": "c1"}, "200 alice,[C],"},
		"optional":         {c{"consumer_optional": true}, c{"sub": "nobody"}, "200 ,[nobody],[read write],,1"},
		"anonymous":        {c{"anonymous": "guest"}, c{"exp": 1}, "200 guest,[],[],true,1"},
		"hidden":           {c{"hide_credentials": true}, nil, "200 carol,[C],[read write],,0"},
		"a line break":     {c{"consumer_optional": true}, c{"sub": "a\r\nX: y"}, "200 ,[],[read write],,1"},
		"leeway":           {c{"leeway": 60}, c{"exp": time.Now().Unix() - 5}, "200 carol"},
	} {
		if got := ask(t, start(t, i, tt.config), i.sign(t, tt.claims)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestIntrospection: opaque tokens are asked about, and answers kept.
func TestIntrospection(t *testing.T) {
	i := newIssuer(t)
	i.answer = func(token string) map[string]any {
		if token != "opaque" {
			return c{"active": false}
		}
		return c{"active": true, "sub": "C", "scope": "read", "aud": "api"}
	}
	g := start(t, i, c{"introspection": "opaque", "client_id": "id", "client_secret": "secret", "audiences": []any{"api"}})
	for range 3 {
		if got := ask(t, g, "opaque"); got != "200 carol,[C],[read],,1" {
			t.Error(got)
		}
		if got := ask(t, g, "other"); !strings.Contains(got, "the token is not active") {
			t.Error(got)
		}
	}
	if n := i.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	if got := ask(t, g, i.sign(t, nil)); !strings.HasPrefix(got, "200 carol") || i.asked.Load() != 2 {
		t.Errorf("a JWT: %s", got)
	}
	wrong := start(t, i, c{"introspection": "always", "client_id": "id", "client_secret": "x"})
	if got := ask(t, wrong, "opaque"); !strings.HasPrefix(got, "503") {
		t.Errorf("a wrong secret: %s", got)
	}
}

// TestDiscoveryLeadsNowhereElse: an address that the configuration does not name is
// not asked.
func TestDiscoveryLeadsNowhereElse(t *testing.T) {
	i := newIssuer(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, i.URL+"/keys", http.StatusFound)
	}))
	t.Cleanup(other.Close)
	host := strings.TrimPrefix(other.URL, "http://")
	for name, tt := range map[string]struct {
		edit   func(d map[string]any)
		config c
		status string
	}{
		"another host":    {func(d map[string]any) { d["jwks_uri"] = other.URL }, nil, "503"},
		"another issuer":  {func(d map[string]any) { d["issuer"] = other.URL }, nil, "503"},
		"a user":          {func(d map[string]any) { d["jwks_uri"] = "http://u@" + host }, c{"allowed_hosts": []any{host}}, "503"},
		"a redirect":      {func(d map[string]any) { d["jwks_uri"] = other.URL }, c{"allowed_hosts": []any{host}}, "503"},
		"an allowed host": {func(map[string]any) {}, c{"allowed_hosts": []any{host}}, "200"},
	} {
		i.edit = tt.edit
		if got := ask(t, start(t, i, tt.config), i.sign(t, nil)); !strings.HasPrefix(got, tt.status) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestACacheTellsSubjectsApart: of one consumer, or of none, many may have tokens.
func TestACacheTellsSubjectsApart(t *testing.T) {
	i := newIssuer(t)
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s", r.Header["X-Authenticated-Userid"])
	})
	for name, tt := range map[string]struct {
		config c
		field  string
	}{
		"hidden, without a consumer": {c{"consumer_optional": true, "hide_credentials": true}, "Authorization"},
		"hidden, of one consumer": {
			c{"consumer_claim": "client_id", "consumer_by": []any{"username"}, "hide_credentials": true}, "Authorization",
		},
		"in another field": {c{"consumer_optional": true, "header_name": "X-Token"}, "X-Token"},
		"in Authorization": {c{"consumer_optional": true}, "Authorization"},
	} {
		config := c{"issuer": i.URL}
		for k, v := range tt.config {
			config[k] = v
		}
		g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition(), proxycache.Definition()},
			entity.Record{"name": "openid-bearer", "config": config},
			entity.Record{"name": "proxy-cache", "config": entity.Record{"strategy": "memory"}})
		for _, who := range []string{"ann", "ben", "ann", "ben"} {
			token := i.sign(t, c{"sub": who, "client_id": "alice"})
			res, body := g.Send(t, http.MethodGet, "/", "", tt.field+":Bearer "+token)
			if res.StatusCode != 200 || body != "["+who+"]" {
				t.Errorf("%s: %s is answered with %d %s", name, who, res.StatusCode, body)
			}
		}
	}
}
