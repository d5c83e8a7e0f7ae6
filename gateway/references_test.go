package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatelab/gateway/internal/entity"
	"gatelab/internal/testenv"
)

func TestReferencesAreResolvedInACopy(t *testing.T) {
	cfg := &entity.Config{
		Plugins: []entity.Plugin{
			{ID: "plain", Name: "key-auth", Config: map[string]any{"anonymous": "{vault://env/not-referenceable}"}},
			{ID: "p", Name: "rate-limiting", Config: map[string]any{"redis": map[string]any{"password": "{vault://env/redis-pass/key}", "host": "h"}, "redis_username": "{vault://env/redis-user}"}},
		},
		Certificates: []entity.Certificate{{ID: "c", Cert: "C", Key: "{vault://env/tls-key}"}},
	}
	before, _ := json.Marshal(cfg)
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"REDIS_PASS": `{"key":"p@ss"}`, "REDIS_USER": "u", "TLS_KEY": "K"}[name]
		return v, ok
	}
	got, err := resolveReferences(cfg, lookup)
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Plugins[1].Config; c["redis"].(map[string]any)["password"] != "p@ss" || c["redis"].(map[string]any)["host"] != "h" || c["redis_username"] != "u" {
		t.Errorf("got %v", c)
	}
	if got.Certificates[0].Key != "K" || got.Certificates[0].Cert != "C" {
		t.Errorf("got %+v", got.Certificates)
	}
	if got.Plugins[0].Config["anonymous"] != "{vault://env/not-referenceable}" {
		t.Error("a field that is none for references was changed")
	}
	if after, _ := json.Marshal(cfg); !bytes.Equal(before, after) {
		t.Error("the configuration that others share was changed")
	}
	plain := &entity.Config{Plugins: []entity.Plugin{{ID: "x", Config: map[string]any{}}}}
	if same, err := resolveReferences(plain, lookup); err != nil || &same.Plugins[0] != &plain.Plugins[0] || !reflect.DeepEqual(same, plain) {
		t.Error("a configuration without references was copied")
	}
	_, err = resolveReferences(cfg, func(string) (string, bool) { return "", false })
	if err == nil || !strings.Contains(err.Error(), "plugin rate-limiting p: field config.redis") || !strings.Contains(err.Error(), "is not set") {
		t.Errorf("got %v", err)
	}
}

// change sends a body as JSON.
func (b *booted) change(method, path string, body any) response {
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
		return map[string]any{"name": "rate-limiting", "config": map[string]any{"hour": 1000, "policy": "redis", "limit_by": "ip", "fault_tolerant": false,
			"redis": map[string]any{"host": b.redisHost, "port": json.Number(b.redisPort), "username": "vaulted", "password": password}}}
	}
	for reference, want := range map[string]string{
		"{vault://env/gatelab-not-set}": "environment variable GATELAB_NOT_SET is not set",
		"{vault://hcv/gatelab-pass}":    `vault \"hcv\" does not exist`,
	} {
		if r := b.change("POST", "/plugins", config(reference)); r.StatusCode != 400 || !strings.Contains(r.text, want) || !strings.Contains(r.text, "password") {
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
	if r := b.get(b.admin + "/plugins/" + id); !strings.Contains(r.text, `"{vault://env/gatelab-vault-pass}"`) || strings.Contains(r.text, password) {
		t.Errorf("shown as %s", r.text)
	}
	if r := b.change("PATCH", "/plugins/"+id, map[string]any{"config": map[string]any{"redis": map[string]any{"password": "{vault://env/gatelab-not-set}"}}}); r.StatusCode != 400 {
		t.Errorf("a change to what cannot be resolved: %d %s", r.StatusCode, r.text)
	}

	// Another replica may have what this one has not.
	other, plugins := b.elsewhere(), schema(t, "plugins")
	_, _, err := other.Modify(t.Context(), plugins, id, nil, "other", func(old entity.Record) (entity.Record, error) {
		return plugins.ProcessUpdate(old, entity.Record{"config": map[string]any{"redis": map[string]any{"password": "{vault://env/gatelab-not-set}"}}}, time.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
	b.eventually("the rejection is counted", func() bool { return b.metric("gateway_config_apply_errors_total") == 1 })
	if b.log.count("config.redis.password") == 0 && b.log.count("config.redis_password") == 0 || b.log.count("GATELAB_NOT_SET") == 0 {
		t.Error("the log names neither field nor variable")
	}
	if r := b.get(b.proxy + "/ai/a"); r.StatusCode != 200 || r.Header.Get("X-RateLimit-Remaining-Hour") == "" {
		t.Errorf("the old configuration does not go on: %d", r.StatusCode)
	}
	if b.log.count(password) > 0 {
		t.Error("the value is in the log")
	}
}
