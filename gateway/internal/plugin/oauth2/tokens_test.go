package oauth2

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

func TestRefresh(t *testing.T) {
	b := newBench(t, nil, nil)
	b.put("old", func(t *entity.OAuth2Token) {
		t.RefreshToken = "r1"
		t.Scope, t.UserID = "read", "u1"
	})
	const client = "grant_type=refresh_token&client_id=app&client_secret=s3"
	for body, want := range map[string]string{
		client:                      "invalid_request|Invalid refresh_token",
		client + "&refresh_token=x": "invalid_request|Invalid refresh_token",
		client + "&refresh_token=r1&redirect_uri=http://b/": "invalid_request|Invalid redirect_uri that does " +
			"not match with any redirect_uri created with the application",
		"grant_type=refresh_token&client_id=hashed&client_secret=s4&refresh_token=r1": "invalid_client|Invalid client authentication",
	} {
		if _, out, _ := b.token(t, body); fmt.Sprint(out["error"], "|", out["error_description"]) != want {
			t.Errorf("%s: %v", body, out)
		}
	}
	if got := b.ask(t, "GET", "/", "", "Authorization:Bearer old"); !strings.HasPrefix(got, "200 alice,app,[read],[u1]") {
		t.Error(got)
	}
	_, out, _ := b.token(t, client+"&refresh_token=r1")
	next, _ := out["refresh_token"].(string)
	if len(next) != 32 || out["expires_in"] != 7200.0 {
		t.Fatalf("refreshed: %v", out)
	}
	if got := b.ask(t, "GET", "/", "", "Authorization:Bearer old"); got != badToken {
		t.Errorf("the old one: %s", got)
	}
	access, _ := out["access_token"].(string)
	if got := b.ask(t, "GET", "/", "", "Authorization:Bearer "+access); !strings.HasPrefix(got, "200 alice,app,[read],[u1]") {
		t.Errorf("the new one: %s", got)
	}
	if _, out, _ := b.token(t, client+"&refresh_token=r1"); out["error"] != "invalid_request" {
		t.Errorf("the old one again: %v", out)
	}
	same := newBench(t, c{"reuse_refresh_token": true, "refresh_token_ttl": 60}, nil)
	same.put("old", func(t *entity.OAuth2Token) { t.RefreshToken = "r1" })
	for range 2 {
		if _, out, _ := same.token(t, client+"&refresh_token=r1"); out["refresh_token"] != "r1" || same.store.ttl["old"] != time.Minute {
			t.Errorf("reused: %v", out)
		}
	}
}

// TestLookups: a token is looked up once, and taken while the database is away; one
// that is not there costs one look-up per second.
func TestLookups(t *testing.T) {
	b := newBench(t, nil, nil)
	b.fill()
	for range 3 {
		b.ask(t, "GET", "/", "", "Authorization:Bearer good")
		b.ask(t, "GET", "/", "", "Authorization:Bearer nothing")
	}
	if b.store.asked != 2 {
		t.Errorf("asked %d times", b.store.asked)
	}
	b.store.err = errors.New("away")
	if got := b.ask(t, "GET", "/", "", "Authorization:Bearer good"); !strings.HasPrefix(got, "200") {
		t.Errorf("known: %s", got)
	}
	if got := b.ask(t, "GET", "/", "", "Authorization:Bearer forever"); !strings.HasPrefix(got, "503") {
		t.Errorf("not known: %s", got)
	}
	if status, out, _ := b.token(t, "grant_type=client_credentials&client_id=app&client_secret=s3"); status != 503 {
		t.Errorf("a token: %d %v", status, out)
	}
}

func TestRecheck(t *testing.T) {
	cache, now := newTokenCache(), time.Now()
	key := plugin.KeyOfToken([]byte("t"))
	cache.keep(key, &entity.OAuth2Token{AccessToken: "t"}, now)
	if k, ask := cache.find(key, now.Add(recheck-1)); k == nil || ask {
		t.Error("asked too early")
	}
	later := now.Add(recheck)
	if k, ask := cache.find(key, later); k == nil || !ask {
		t.Error("not asked again")
	}
	if _, ask := cache.find(key, later); ask {
		t.Error("two ask at once")
	}
	cache.keep(key, nil, later)
	if k, ask := cache.find(key, later); k != nil || ask {
		t.Error("a token that is gone is known, or asked for at once")
	}
	if _, ask := cache.find(key, later.Add(absence)); !ask {
		t.Error("a token that was not there is never asked for")
	}
	for i := range maxKnown + 10 {
		cache.keep(plugin.KeyOfToken(fmt.Append(nil, i)), &entity.OAuth2Token{}, now)
		cache.keep(plugin.KeyOfToken(fmt.Append(nil, "x", i)), nil, now)
	}
	if len(cache.known) > maxKnown || len(cache.absent) > maxAbsent {
		t.Errorf("%d and %d are remembered", len(cache.known), len(cache.absent))
	}
}

// TestWithoutADatabase: the tokens of the file are taken, and none are issued.
func TestWithoutADatabase(t *testing.T) {
	b := newBench(t, nil, func(o *plugintest.Options) {
		add := o.Add
		o.Deps = nil
		o.Add = func(cfg *entity.Config) {
			add(cfg)
			cfg.OAuth2Tokens = []entity.OAuth2Token{{ID: "1", AccessToken: "file", Credential: entity.Ref{ID: "a1"}, Service: &entity.Ref{ID: "s1"}}}
		}
	})
	if got := b.ask(t, "GET", "/", "", "Authorization:Bearer file"); !strings.HasPrefix(got, "200 alice,app") {
		t.Error(got)
	}
	if got := b.ask(t, "GET", "/", "", "Authorization:Bearer x"); got != badToken {
		t.Error(got)
	}
	if _, out, _ := b.token(t, "grant_type=client_credentials&client_id=app&client_secret=s3"); out["error"] != "unsupported_grant_type" {
		t.Error(out)
	}
}

func TestOtherEndpoints(t *testing.T) {
	b := newBench(t, c{"accept_http_if_already_terminated": false}, nil)
	const body = "grant_type=client_credentials&client_id=app&client_secret=s3"
	if _, out, _ := b.token(t, body); out["error"] != "access_denied" {
		t.Errorf("a proxy's word: %v", out)
	}
	res, text := b.Send(t, http.MethodPost, "/oauth2/authorize", "", "X-Forwarded-Proto:https")
	if res.StatusCode != 400 || !strings.Contains(text, "unsupported_response_type") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if got := b.ask(t, "GET", "/oauth2/token", ""); got != noToken {
		t.Errorf("GET: %s", got)
	}
}
