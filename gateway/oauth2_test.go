package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// tokenOf asks for a token with a form, and gives status and answer.
func (b *testGateway) tokenOf(form string) (status int, out map[string]any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.proxy+"/ai/oauth2/token", strings.NewReader(form))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Forwarded-Proto", "https")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := json.Unmarshal(body, &out); err != nil {
		b.t.Fatalf("%s: %v", body, err)
	}
	return res.StatusCode, out
}

// TestTokensAreIssuedAndTaken, with Postgres: of an application whose secret is a
// hash; they are shown by the Admin API, are in no log, and go with
// their consumer.
func TestTokensAreIssuedAndTaken(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, and -short asks for tests without servers")
	}
	b := boot(t, "--trusted-proxies=127.0.0.0/8", "--access-log=all", "--log-level=debug")
	b.post("/services", "name=ai-api", "url="+b.origin.URL)
	b.post("/services/ai-api/routes", "paths[]=/ai", "strip_path=false")
	b.post("/consumers", "username=alice")
	b.post("/consumers/alice/oauth2", "name=app", "client_id=app", "client_secret=hunter2", "hash_secret=true")
	b.post("/plugins", "name=oauth2", "config.enable_client_credentials=true", "config.accept_http_if_already_terminated=true")
	b.eventually("the plugin", func() bool { return b.get(b.proxy+"/ai").StatusCode == http.StatusUnauthorized })
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"hunter2"}}.Encode()
	status, out := b.tokenOf(form)
	token, _ := out["access_token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatalf("%d %v", status, out)
	}
	status, out = b.tokenOf(strings.Replace(form, "hunter2", "x", 1))
	if status != http.StatusBadRequest || out["error"] != "invalid_client" {
		t.Errorf("a wrong secret: %d %v", status, out)
	}
	if got := b.get(b.proxy + "/ai?access_token=" + token); got.StatusCode != http.StatusOK {
		t.Errorf("the token: %d %s", got.StatusCode, got.text)
	}
	if got := b.get(b.admin + "/oauth2/app/oauth2_tokens"); !strings.Contains(got.text, token) {
		t.Errorf("the Admin API: %s", got.text)
	}
	if b.send(http.MethodDelete, b.admin+"/consumers/alice") != http.StatusNoContent {
		t.Error("the consumer stays")
	}
	b.eventually("refused", func() bool {
		return b.get(b.proxy+"/ai?access_token="+token).StatusCode == http.StatusUnauthorized
	})
	if strings.Contains(b.log.String(), token) || strings.Contains(b.log.String(), "hunter2") {
		t.Errorf("the log has the token or the secret:\n%s", b.log)
	}
}
