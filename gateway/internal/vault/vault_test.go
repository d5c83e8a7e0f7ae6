package vault

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
)

func TestReferencesAreResolvedInACopy(t *testing.T) {
	cfg := &entity.Config{
		Plugins: []entity.Plugin{
			{ID: "plain", Name: "key-auth", Config: map[string]any{"anonymous": "{vault://env/not-referenceable}"}},
			{ID: "p", Name: "rate-limiting", Config: map[string]any{
				"redis":          map[string]any{"password": "{vault://env/redis-pass/key}", "host": "h"},
				"redis_username": "{vault://env/redis-user}",
			}},
			{ID: "l", Name: "http-log", Config: map[string]any{
				"headers": map[string]any{"X-A": "a", "Authorization": "{vault://env/redis-user}"},
			}},
		},
		Certificates: []entity.Certificate{{ID: "c", Cert: "C", Key: "{vault://env/tls-key}"}},
	}
	before, _ := json.Marshal(cfg)
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"REDIS_PASS": `{"key":"p@ss"}`, "REDIS_USER": "u", "TLS_KEY": "K"}[name]
		return v, ok
	}
	got, err := Resolve(cfg, all.Plugins().Catalog(), lookup)
	if err != nil {
		t.Fatal(err)
	}
	c := got.Plugins[1].Config
	if redis := c["redis"].(map[string]any); redis["password"] != "p@ss" || redis["host"] != "h" || c["redis_username"] != "u" {
		t.Errorf("got %v", c)
	}
	if headers := got.Plugins[2].Config["headers"].(map[string]any); headers["Authorization"] != "u" || headers["X-A"] != "a" {
		t.Errorf("members of a map: %v", headers)
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
	same, err := Resolve(plain, all.Plugins().Catalog(), lookup)
	if err != nil || &same.Plugins[0] != &plain.Plugins[0] || !reflect.DeepEqual(same, plain) {
		t.Error("a configuration without references was copied")
	}
	_, err = Resolve(cfg, all.Plugins().Catalog(), func(string) (string, bool) { return "", false })
	if err == nil || !strings.Contains(err.Error(), "plugin rate-limiting p: field config.redis") ||
		!strings.Contains(err.Error(), "is not set") {
		t.Errorf("got %v", err)
	}
}

func TestCheckChangesNothing(t *testing.T) {
	schema, ok := entity.Core().ByName("certificates")
	if !ok {
		t.Fatal("no schema")
	}
	r := entity.Record{"cert": "C", "key": "{vault://env/tls-key}"}
	none := func(string) (string, bool) { return "", false }
	if err := Check(schema, r, none); err == nil || !strings.Contains(err.Error(), "TLS_KEY") {
		t.Errorf("got %v, want the variable that is not set", err)
	}
	if err := Check(schema, r, func(string) (string, bool) { return "K", true }); err != nil || r["key"] != "{vault://env/tls-key}" {
		t.Errorf("%v; the record is %v", err, r)
	}
	if err := Check(schema, entity.Record{"cert": "C", "key": "K"}, none); err != nil {
		t.Errorf("without references: %v", err)
	}
}
