package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/testenv"
)

// change sends a body as JSON.
func (b *testGateway) change(method, path string, body any) response {
	b.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.admin+path, bytes.NewReader(raw))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var text bytes.Buffer
	_, _ = text.ReadFrom(res.Body)
	return response{res, text.String()}
}

func TestAPasswordFromTheEnvironment(t *testing.T) {
	const password = "p@ss:w/rd-of-the-vault"
	t.Setenv("GATELAB_VAULT_PASS", password)
	redisAdmin := redis.NewClient(&redis.Options{Addr: testenv.Redis(t)})
	defer func() { _ = redisAdmin.Close() }()
	if err := redisAdmin.Do(t.Context(), "ACL", "SETUSER", "vaulted", "on", ">"+password, "~*", "&*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	b := boot(t)
	b.service()
	config := func(password string) map[string]any {
		redis := map[string]any{"host": b.redisHost, "port": json.Number(b.redisPort), "username": "vaulted", "password": password}
		return map[string]any{"name": "rate-limiting", "config": map[string]any{
			"hour": 1000, "policy": "redis", "limit_by": "ip", "fault_tolerant": false, "redis": redis,
		}}
	}
	withPassword := func(password string) entity.Record {
		return entity.Record{"config": map[string]any{"redis": map[string]any{"password": password}}}
	}
	for reference, want := range map[string]string{
		"{vault://env/gatelab-not-set}": "environment variable GATELAB_NOT_SET is not set",
		"{vault://hcv/gatelab-pass}":    `vault \"hcv\" does not exist`,
	} {
		r := b.change("POST", "/plugins", config(reference))
		if r.StatusCode != 400 || !strings.Contains(r.text, want) || !strings.Contains(r.text, "password") {
			t.Errorf("%s: %d %s", reference, r.StatusCode, r.text)
		}
	}
	r := b.change("POST", "/plugins", config("{vault://env/gatelab-vault-pass}"))
	var plugin map[string]any
	if err := json.Unmarshal([]byte(r.text), &plugin); err != nil || r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, r.text)
	}
	id, _ := plugin["id"].(string)
	b.eventually("limits are counted in Redis", func() bool {
		r := b.get(b.proxy + "/ai/a")
		return r.StatusCode == 200 && r.Header.Get("X-RateLimit-Remaining-Hour") != ""
	})
	shown := b.get(b.admin + "/plugins/" + id).text
	if !strings.Contains(shown, `"{vault://env/gatelab-vault-pass}"`) || strings.Contains(shown, password) {
		t.Errorf("shown as %s", shown)
	}
	if r := b.change("PATCH", "/plugins/"+id, withPassword("{vault://env/gatelab-not-set}")); r.StatusCode != 400 {
		t.Errorf("a change to what cannot be resolved: %d %s", r.StatusCode, r.text)
	}

	// Another replica may have what this one has not.
	other, plugins := b.elsewhere(), schema(t, "plugins")
	_, _, err := other.Modify(t.Context(), plugins, id, nil, "other", func(old entity.Record) (entity.Record, error) {
		return plugins.ProcessUpdate(old, withPassword("{vault://env/gatelab-not-set}"), time.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
	b.eventually("the rejection is counted", func() bool { return b.metric("gateway_config_apply_errors_total") == 1 })
	if b.log.count("config.redis.password") == 0 && b.log.count("config.redis_password") == 0 || b.log.count("GATELAB_NOT_SET") == 0 {
		t.Error("the log names neither field nor variable")
	}
	if r := b.get(b.proxy + "/ai/a"); r.StatusCode != 200 || r.Header.Get("X-RateLimit-Remaining-Hour") == "" {
		t.Errorf("the previous configuration is not in use: %d", r.StatusCode)
	}
	if b.log.count(password) > 0 {
		t.Error("the value is in the log")
	}
}
