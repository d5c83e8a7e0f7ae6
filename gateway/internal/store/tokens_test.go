package store

import (
	"errors"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func issuedToken(id, access, refresh, service, credential string) *entity.OAuth2Token {
	t := &entity.OAuth2Token{
		ID: id, CreatedAt: time.Now().Unix(), Credential: entity.Ref{ID: credential}, TokenType: "bearer", ExpiresIn: 60,
		AccessToken: access, RefreshToken: refresh, Scope: "a b",
	}
	if service != "" {
		t.Service = &entity.Ref{ID: service}
	}
	return t
}

// TestTokens: they are found by what they are, replaced once, end, go with their
// application, and make no revisions.
func TestTokens(t *testing.T) {
	const first, second = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	const third = "00000000-0000-4000-8000-000000000003"
	p, ctx := open(t, Config{Schemas: schemas}), t.Context()
	c := insert(t, p, "consumers", entity.Record{"username": "u"})
	app := insert(t, p, "oauth2_credentials", entity.Record{"name": "n", "consumer": map[string]any{"id": c["id"]}})
	service := insert(t, p, "services", entity.Record{"name": "s", "host": "h"})
	appID, _ := app["id"].(string)
	serviceID, _ := service["id"].(string)
	if got := sees(t, p, "the application").OAuth2Credentials; len(got) != 1 || got[0].ClientID != app["client_id"] {
		t.Errorf("the data plane gets %+v", got)
	}
	before, err := p.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.IssueToken(ctx, issuedToken(first, "a1", "r1", serviceID, appID), time.Minute, ""); err != nil {
		t.Fatal(err)
	}
	got, err := p.AccessToken(ctx, "a1")
	if err != nil || got == nil || got.Service.ID != serviceID || got.Credential.ID != appID || got.Scope != "a b" || got.ExpiresIn != 60 {
		t.Fatalf("%+v, %v", got, err)
	}
	if ends := time.Until(time.UnixMilli(got.ExpiresAt)); ends < 50*time.Second || ends > time.Minute {
		t.Errorf("its row ends in %s", ends)
	}
	if got, err := p.RefreshToken(ctx, "r1"); err != nil || got == nil || got.ID != first {
		t.Errorf("by the refresh token: %+v, %v", got, err)
	}
	if got, err := p.AccessToken(ctx, "r1"); err != nil || got != nil {
		t.Errorf("a refresh token as an access token: %+v, %v", got, err)
	}
	if err := p.IssueToken(ctx, issuedToken(second, "a2", "r2", "", appID), 0, first); err != nil {
		t.Fatal(err)
	}
	if err := p.IssueToken(ctx, issuedToken(third, "a3", "r3", "", appID), 0, first); !errors.Is(err, entity.ErrTokenGone) {
		t.Errorf("replaced twice: %v", err)
	}
	if got, err := p.AccessToken(ctx, "a1"); err != nil || got != nil {
		t.Errorf("a replaced token: %+v, %v", got, err)
	}
	if got, err := p.AccessToken(ctx, "a2"); err != nil || got == nil || got.Service != nil || got.ExpiresAt != 0 {
		t.Errorf("the new one: %+v, %v", got, err)
	}
	s, _ := schemas.ByName("oauth2_tokens")
	if r, err := p.Select(ctx, s, "a2", nil); err != nil || r["refresh_token"] != "r2" {
		t.Errorf("the Admin API sees %v, %v", r, err)
	}
	insert(t, p, "oauth2_tokens", entity.Record{"access_token": "by hand", "expires_in": int64(0), "credential": map[string]any{"id": appID}})
	if err := p.Delete(ctx, s, "by hand", nil, "tester"); err != nil {
		t.Error(err)
	}
	if after, err := p.Revision(ctx); err != nil || after != before {
		t.Errorf("tokens made %d revisions, %v", after-before, err)
	}
	if all, err := p.Contents(ctx); err != nil || len(all.Records["oauth2_tokens"]) != 0 || len(all.Records["oauth2_credentials"]) != 1 {
		t.Errorf("the configuration has %v, %v", all.Records["oauth2_tokens"], err)
	}
	ends(t, p)
}

// ends has a token end by its time, and by its consumer.
func ends(t *testing.T, p *Postgres) {
	t.Helper()
	ctx := t.Context()
	exec(t, p, "UPDATE oauth2_tokens SET expires_at = now() - interval '1 second'")
	if got, err := p.AccessToken(ctx, "a2"); err != nil || got != nil {
		t.Errorf("an ended token: %+v, %v", got, err)
	}
	exec(t, p, "UPDATE oauth2_tokens SET expires_at = NULL")
	remove(t, p, "consumers", "u")
	if got, err := p.AccessToken(ctx, "a2"); err != nil || got != nil {
		t.Errorf("after its consumer: %+v, %v", got, err)
	}
}
