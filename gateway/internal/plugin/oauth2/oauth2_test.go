package oauth2

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/proxycache"
	"github.com/gatelab/gatelab/gateway/internal/proxy"
)

// memory is a store of tokens.
type memory struct {
	mu     sync.Mutex
	tokens map[string]*entity.OAuth2Token // by id
	ttl    map[string]time.Duration
	err    error
	asked  int
}

func (m *memory) find(fits func(*entity.OAuth2Token) bool) (*entity.OAuth2Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	for _, t := range m.tokens {
		if fits(t) {
			found := *t
			return &found, m.err
		}
	}
	return nil, m.err
}

func (m *memory) AccessToken(_ context.Context, token string) (*entity.OAuth2Token, error) {
	return m.find(func(t *entity.OAuth2Token) bool { return t.AccessToken == token })
}

func (m *memory) RefreshToken(_ context.Context, token string) (*entity.OAuth2Token, error) {
	return m.find(func(t *entity.OAuth2Token) bool { return t.RefreshToken == token })
}

func (m *memory) IssueToken(_ context.Context, t *entity.OAuth2Token, ttl time.Duration, replaces string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if replaces != "" {
		if m.tokens[replaces] == nil {
			return entity.ErrTokenGone
		}
		delete(m.tokens, replaces)
	}
	stored := *t
	m.tokens[t.ID], m.ttl[t.ID] = &stored, ttl
	return m.err
}

type c = map[string]any

// bench is a gateway with applications and tokens.
type bench struct {
	*plugintest.Gateway
	store *memory
}

func newBench(t *testing.T, config c, edit func(*plugintest.Options)) *bench {
	t.Helper()
	b := &bench{store: &memory{tokens: map[string]*entity.OAuth2Token{}, ttl: map[string]time.Duration{}}}
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s,%s,%s,%s,%s|%s%d%s", h.Get("X-Consumer-Username"), h.Get("X-Credential-Identifier"), h["X-Authenticated-Scope"],
			h["X-Authenticated-Userid"], h.Get("X-Anonymous-Consumer"), r.URL.RawQuery, len(h["Authorization"]), body)
	})
	full := c{"enable_client_credentials": true, "accept_http_if_already_terminated": true, "provision_key": "prov"}
	for k, v := range config {
		full[k] = v
	}
	of := entity.Ref{ID: "c1"}
	o := plugintest.Options{
		Add: func(cfg *entity.Config) {
			cfg.Consumers = append(cfg.Consumers, entity.Consumer{ID: "c2", Username: "guest"})
			cfg.OAuth2Credentials = []entity.OAuth2Credential{
				{ID: "a1", ClientID: "app", ClientSecret: "s3", ClientType: confidential, Consumer: of, RedirectURIs: []string{"http://a/"}},
				{ID: "a2", ClientID: "hashed", ClientSecret: hashSecret("s4", "a2"), HashSecret: true, ClientType: confidential, Consumer: of},
				{ID: "a3", ClientID: "pub", ClientSecret: "s5", ClientType: public, Consumer: of},
				{ID: "a4", ClientID: "gone", ClientSecret: "s6", ClientType: confidential, Consumer: entity.Ref{ID: "c9"}},
				{ID: "a5", ClientID: "empty", ClientType: confidential, Consumer: of},
			}
		},
		Deps:  func(d *plugin.Deps) { d.Tokens = b.store },
		Proxy: func(p *proxy.Config) { p.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} },
	}
	if edit != nil {
		edit(&o)
	}
	b.Gateway = plugintest.StartOptions(t, o, origin, []plugin.Definition{Definition()}, entity.Record{"name": "oauth2", "config": full})
	return b
}

// token asks for one, and gives status and answer.
func (b *bench) token(t *testing.T, body string, header ...string) (int, map[string]any, http.Header) {
	t.Helper()
	header = append([]string{"X-Forwarded-Proto:https", "Content-Type:application/x-www-form-urlencoded"}, header...)
	res, text := b.Send(t, http.MethodPost, "/x/oauth2/token", body, header...)
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if res.StatusCode < 500 && (res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Pragma") != "no-cache") {
		t.Errorf("header of a token: %v", res.Header)
	}
	return res.StatusCode, out, res.Header
}

func basicAuth(text string) string {
	return "Authorization:Basic " + base64.StdEncoding.EncodeToString([]byte(text))
}

func TestClientCredentials(t *testing.T) {
	b := newBench(t, c{"scopes": []any{"read", "write"}}, nil)
	const grant = "grant_type=client_credentials"
	for _, tt := range []struct {
		name, body string
		header     []string
		status     int
		want       string // error and description, or the scope and user of the token
	}{
		{name: "right", body: grant + "&client_id=app&client_secret=s3", status: 200},
		{name: "a hashed secret", body: grant + "&client_id=hashed&client_secret=s4", status: 200},
		{name: "in the header", body: grant, header: []string{basicAuth("app:s3")}, status: 200},
		{name: "with scopes", body: grant + "&client_id=app&client_secret=s3&scope=read++write", status: 200, want: "read write|"},
		{name: "of a user", body: grant + "&client_id=app&client_secret=s3&authenticated_userid=u1&provision_key=prov", status: 200,
			want: "|u1"},
		{name: "as JSON", body: `{"grant_type":"client_credentials","client_id":"app","client_secret":"s3"}`,
			header: []string{"Content-Type:application/json"}, status: 200},
		{name: "a wrong secret", body: grant + "&client_id=app&client_secret=x", status: 400,
			want: "invalid_client|Invalid client authentication"},
		{name: "a wrong hashed secret", body: grant + "&client_id=hashed&client_secret=s3", status: 400,
			want: "invalid_client|Invalid client authentication"},
		{name: "the hash as the secret", body: grant, header: []string{basicAuth("hashed:" + hashSecret("s4", "a2"))}, status: 401,
			want: "invalid_client|Invalid client authentication"},
		{name: "a wrong secret in the header", body: grant, header: []string{basicAuth("app:x")}, status: 401,
			want: "invalid_client|Invalid client authentication"},
		{name: "no secret", body: grant + "&client_id=app", status: 400, want: "invalid_client|Invalid client authentication"},
		{name: "an empty secret", body: grant, header: []string{basicAuth("empty:")}, status: 401,
			want: "invalid_client|Invalid client authentication"},
		{name: "no client", body: grant, status: 400, want: "invalid_client|Invalid client authentication"},
		{name: "a consumer that is gone", body: grant + "&client_id=gone&client_secret=s6", status: 400,
			want: "invalid_client|Invalid client authentication"},
		{name: "a public client", body: grant + "&client_id=pub", status: 400,
			want: "unauthorized_client|A public client has no credentials to be given a token for"},
		{name: "a public client's secret", body: grant + "&client_id=pub&client_secret=s5", status: 400,
			want: "invalid_request|client_secret is disallowed for public clients"},
		{name: "a user without the key", body: grant + "&client_id=app&client_secret=s3&authenticated_userid=u1", status: 400,
			want: "invalid_provision_key|Invalid provision_key"},
		{name: "an unknown scope", body: grant + "&client_id=app&client_secret=s3&scope=read+all", status: 400,
			want: `invalid_scope|"all" is an invalid scope`},
		{name: "two scopes", body: grant + "&client_id=app&client_secret=s3&scope=read&scope=write", status: 400,
			want: "invalid_scope|scope must be a string"},
		{name: "the secret twice", body: grant + "&client_id=app&client_secret=s3&client_secret=s3", status: 400,
			want: "invalid_client|Invalid client authentication"},
		{name: "another grant", body: "grant_type=password&client_id=app&client_secret=s3", status: 400,
			want: "unsupported_grant_type|Invalid grant_type"},
		{name: "no grant", body: "client_id=app&client_secret=s3", status: 400, want: "unsupported_grant_type|Invalid grant_type"},
		{name: "unencrypted", body: grant + "&client_id=app&client_secret=s3", header: []string{"X-Forwarded-Proto:http"}, status: 400,
			want: "access_denied|You must use HTTPS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := tt.header
			if tt.name == "unencrypted" {
				_, text := b.Send(t, http.MethodPost, "/oauth2/token", tt.body, "Content-Type:application/x-www-form-urlencoded")
				if !strings.Contains(text, "You must use HTTPS") {
					t.Error(text)
				}
				return
			}
			if tt.name == "as JSON" {
				res, text := b.Send(t, http.MethodPost, "/oauth2/token", tt.body, "X-Forwarded-Proto:https", "Content-Type:application/json")
				if res.StatusCode != 200 || !strings.Contains(text, "access_token") {
					t.Error(res.StatusCode, text)
				}
				return
			}
			status, out, h := b.token(t, tt.body+"&state=st", header...)
			if status != tt.status || out["state"] != "st" {
				t.Fatalf("%d %v", status, out)
			}
			if challenge := h.Get("WWW-Authenticate"); (challenge == `Basic realm="OAuth2.0"`) != (status == 401) {
				t.Errorf("WWW-Authenticate: %s", challenge)
			}
			if status != 200 {
				if got := fmt.Sprint(out["error"], "|", out["error_description"]); got != tt.want {
					t.Errorf("got %s", got)
				}
				return
			}
			text, _ := out["access_token"].(string)
			if len(text) != 32 || out["token_type"] != "bearer" || out["expires_in"] != 7200.0 || out["refresh_token"] != nil {
				t.Errorf("got %v", out)
			}
			token, _ := b.store.AccessToken(t.Context(), text)
			if tt.want == "" {
				tt.want = "|"
			}
			if got := token.Scope + "|" + token.UserID; got != tt.want || token.Service == nil || b.store.ttl[token.ID] != 7200*time.Second {
				t.Errorf("stored %+v for %s", token, b.store.ttl[token.ID])
			}
		})
	}
}

const (
	noToken  = `401 {"error":"invalid_request","error_description":"The access token is missing"}`
	badToken = `401 {"error":"invalid_token","error_description":"The access token is invalid or has expired"}`
)

// ask gives the answer as status and body.
func (b *bench) ask(t *testing.T, method, target, body string, header ...string) string {
	t.Helper()
	res, text := b.Send(t, method, target, body, header...)
	challenge := res.Header.Get("WWW-Authenticate")
	got := fmt.Sprintf("%d %s", res.StatusCode, text)
	want := ""
	switch {
	case got == noToken:
		want = `Bearer realm="service"`
	case res.StatusCode == 401:
		want = `Bearer realm="service" error="invalid_token" error_description="The access token is invalid or has expired"`
	}
	if challenge != want {
		t.Errorf("WWW-Authenticate: %s, want %s", challenge, want)
	}
	return got
}

func (b *bench) put(id string, edit func(*entity.OAuth2Token)) {
	t := &entity.OAuth2Token{ID: id, CreatedAt: time.Now().Unix(), Service: &entity.Ref{ID: "s1"}, Credential: entity.Ref{ID: "a1"},
		TokenType: bearer, ExpiresIn: 7200, AccessToken: id}
	if edit != nil {
		edit(t)
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	b.store.tokens[id] = t
}

func (b *bench) fill() {
	b.put("good", func(t *entity.OAuth2Token) { t.Scope, t.UserID = "read", "u1" })
	b.put("other", func(t *entity.OAuth2Token) { t.Service.ID = "s2" })
	b.put("global", func(t *entity.OAuth2Token) { t.Service = nil })
	b.put("ended", func(t *entity.OAuth2Token) { t.CreatedAt -= 7202 })
	b.put("row", func(t *entity.OAuth2Token) { t.ExpiresAt = time.Now().UnixMilli() - 1 })
	b.put("forever", func(t *entity.OAuth2Token) { t.CreatedAt, t.ExpiresIn = 1, 0 })
	b.put("orphan", func(t *entity.OAuth2Token) { t.Credential.ID = "a9" })
}

func TestBearerTokens(t *testing.T) {
	const (
		alice  = "200 alice,app,[read],[u1],|"
		plain  = "200 alice,app,[],[],|"
		form   = "Content-Type:application/x-www-form-urlencoded"
		global = `401 {"error":"invalid_token","error_description":"The access token is global, but the current plugin is ` +
			`configured without 'global_credentials'"}`
	)
	spoofed := []string{"X-Authenticated-Scope:admin", "X-Authenticated-Userid:root", "X-Consumer-Username:root"}
	for _, tt := range []struct {
		name, target, body string
		method             string
		config             c
		header             []string
		want               string
	}{
		{name: "none", want: noToken},
		{name: "bearer", header: []string{"Authorization:Bearer good"}, want: alice + "1"},
		{name: "token", header: []string{"Authorization:tOkEn  good"}, want: alice + "1"},
		{name: "the value alone", header: []string{"Authorization:good"}, want: alice + "1"},
		{name: "in the query", target: "/?a=1&access_token=good", want: alice + "a=1&access_token=good0"},
		{name: "in a form", method: "POST", body: "access_token=good&a=1", header: []string{form}, want: alice + "0access_token=good&a=1"},
		{name: "in JSON", method: "POST", body: `{"access_token":"good"}`, header: []string{"Content-Type:application/json"}, want: noToken},
		{name: "the header counts", target: "/?access_token=good", header: []string{"Authorization:Bearer x"}, want: badToken},
		{name: "two fields", header: []string{"Authorization:Bearer good", "Authorization:Bearer good"}, want: badToken},
		{name: "twice in the query", target: "/?access_token=good&access_token=good", want: noToken},
		{name: "unknown", header: []string{"Authorization:Bearer x"}, want: badToken},
		{name: "of another service", header: []string{"Authorization:Bearer other"}, want: badToken},
		{name: "global", header: []string{"Authorization:Bearer global"}, want: global},
		{name: "global, taken", config: c{"global_credentials": true}, header: []string{"Authorization:Bearer global"}, want: plain + "1"},
		{name: "of a service", config: c{"global_credentials": true}, header: []string{"Authorization:Bearer other"}, want: badToken},
		{name: "ended", header: []string{"Authorization:Bearer ended"}, want: badToken},
		{name: "its row has ended", header: []string{"Authorization:Bearer row"}, want: badToken},
		{name: "without an end", header: []string{"Authorization:Bearer forever"}, want: plain + "1"},
		{name: "of an application that is gone", header: []string{"Authorization:Bearer orphan"}, want: badToken},
		{name: "hidden", config: c{"hide_credentials": true}, header: []string{"Authorization:Bearer good"}, want: alice + "0"},
		{name: "hidden in the query", config: c{"hide_credentials": true}, target: "/?access_token=good&a=1", want: alice + "a=10"},
		{name: "hidden in a form", config: c{"hide_credentials": true}, method: "POST", body: "access_token=good&a=1",
			header: []string{form}, want: alice + "0a=1"},
		{name: "another field", config: c{"auth_header_name": "x-token"}, header: []string{"X-Token:Bearer good"}, want: alice + "0"},
		{name: "anonymous", config: c{"anonymous": "guest"}, header: []string{"Authorization:Bearer x"}, want: "200 guest,,[],[],true|1"},
		{name: "no such anonymous", config: c{"anonymous": "nemo"}, want: noToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.config, nil)
			b.fill()
			method, target := "GET", "/"
			if tt.method != "" {
				method = tt.method
			}
			if tt.target != "" {
				target = tt.target
			}
			if got := b.ask(t, method, target, tt.body, append(tt.header, spoofed...)...); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestACacheTellsUsersApart: tokens of one application are of many users.
func TestACacheTellsUsersApart(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s", r.Header["X-Authenticated-Userid"], r.Header["X-Authenticated-Scope"])
	})
	tokens := &memory{tokens: map[string]*entity.OAuth2Token{}, ttl: map[string]time.Duration{}}
	for _, who := range []string{"ann", "ben"} {
		for _, scope := range []string{"read", "write"} {
			id := who + scope
			tokens.tokens[id] = &entity.OAuth2Token{
				ID: id, AccessToken: id, Credential: entity.Ref{ID: "a1"}, UserID: who, Scope: scope, TokenType: bearer,
			}
		}
	}
	for name, tt := range map[string]struct {
		config        c
		header, query string
	}{
		"hidden":            {config: c{"hide_credentials": true}, header: "Authorization:Bearer "},
		"hidden in a query": {config: c{"hide_credentials": true}, query: "?access_token="},
		"in a query":        {query: "?access_token="},
		"in another field":  {config: c{"auth_header_name": "x-token"}, header: "X-Token:Bearer "},
		"in Authorization":  {header: "Authorization:Bearer "},
	} {
		config := c{"enable_client_credentials": true, "global_credentials": true}
		for k, v := range tt.config {
			config[k] = v
		}
		g := plugintest.StartOptions(t, plugintest.Options{
			Add: func(cfg *entity.Config) {
				cfg.OAuth2Credentials = []entity.OAuth2Credential{
					{ID: "a1", ClientID: "app", ClientSecret: "s3", ClientType: confidential, Consumer: entity.Ref{ID: "c1"}},
				}
			},
			Deps: func(d *plugin.Deps) { d.Tokens = tokens },
		}, origin, []plugin.Definition{Definition(), proxycache.Definition()}, entity.Record{"name": "oauth2", "config": config},
			entity.Record{"name": "proxy-cache", "config": c{"strategy": "memory", "vary_query_params": []any{"page"}}})
		for range 2 {
			for id, token := range tokens.tokens {
				target, header := "/", []string{}
				if tt.query != "" {
					target += tt.query + id
				} else {
					header = append(header, tt.header+id)
				}
				res, body := g.Send(t, http.MethodGet, target, "", header...)
				if want := fmt.Sprintf("[%s] [%s]", token.UserID, token.Scope); res.StatusCode != 200 || body != want {
					t.Errorf("%s: %s is answered with %d %s", name, id, res.StatusCode, body)
				}
			}
		}
	}
}
