package keyauth

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"keyauth_credentials.id":         "..: ID",
	"keyauth_credentials.consumer":   "..: .Consumer",
	"keyauth_credentials.key":        "..: .Key",
	"keyauth_credentials.ttl":        "..: .ExpiresAt",
	"key-auth.key_names":             `.: json:"key_names" + .KeyNames`,
	"key-auth.hide_credentials":      `.: json:"hide_credentials" + .HideCredentials`,
	"key-auth.anonymous":             `.: json:"anonymous" + .Anonymous`,
	"key-auth.key_in_header":         `.: json:"key_in_header" + .KeyInHeader`,
	"key-auth.key_in_query":          `.: json:"key_in_query" + .KeyInQuery`,
	"key-auth.key_in_body":           `.: json:"key_in_body" + .KeyInBody`,
	"key-auth.run_on_preflight":      `.: json:"run_on_preflight" + .RunOnPreflight`,
	"keyauth_credentials.created_at": "kept",
	"keyauth_credentials.tags":       "kept",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{
		"key-auth": Definition().Config, "keyauth_credentials": credentials().Fields,
	}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 1250,
		Defaults: map[string]any{
			"key_names": []any{"apikey"}, "hide_credentials": false, "anonymous": nil,
			"key_in_header": true, "key_in_query": true, "key_in_body": false, "run_on_preflight": true,
		},
		Refused: map[string]string{
			`{"key_names":[]}`:      "config.key_names: length must be at least 1",
			`{"key_names":["a b"]}`: "config.key_names: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
			`{"key_in_body":1}`:     "config.key_in_body: expected a boolean",
			`{"keys":[]}`:           "config.keys: unknown field",
		},
	}.Check(t, Definition())
	schemas := plugin.NewSet(Definition()).Catalog()
	_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"key-auth","consumer":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}`)
	entitytest.Refused(t, err, "consumer: value must be null")
	_, err = entitytest.Insert(t, schemas, "plugins", `{"name":"key-auth","protocols":["tcp"]}`)
	entitytest.Refused(t, err, "protocols: expected one of: grpc, grpcs, http, https")
}

func TestCredentials(t *testing.T) {
	const consumer = `"consumer":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}`
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "keyauth_credentials", `{`+consumer+`}`)
	if key, _ := r["key"].(string); err != nil || len(key) != 32 {
		t.Errorf("a key of its own: %q %v", key, err)
	}
	r, err = entitytest.Insert(t, schemas, "keyauth_credentials", `{"key":"mine",`+consumer+`}`)
	if err != nil || r["key"] != "mine" {
		t.Errorf("a given key: %v %v", r["key"], err)
	}
	for _, tt := range []struct{ name, body, want string }{
		{name: "no consumer", body: `{"key":"k"}`, want: "consumer: required field missing"},
		{name: "a ttl below 0", body: `{"ttl":-1,` + consumer + `}`, want: "ttl: value should be between 0 and 100000000"},
		{name: "an empty key", body: `{"key":"",` + consumer + `}`, want: "key: length must be at least 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := entitytest.Insert(t, schemas, "keyauth_credentials", tt.body)
			entitytest.Refused(t, err, tt.want)
		})
	}
	s, _ := schemas.ByName("keyauth_credentials")
	if hidden := s.Redact(r)["key"]; hidden == "mine" {
		t.Error("the key is in logs")
	}
	for _, path := range []string{"key-auths", "key-auth"} {
		if found, ok := schemas.ByPath(path); !ok || found != s {
			t.Errorf("/%s is not the credentials", path)
		}
	}
}
