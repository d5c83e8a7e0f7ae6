package keyauth

import (
	"reflect"
	"testing"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/entity/entitytest"
	"gatelab/gateway/internal/plugin"
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

func insert(t *testing.T, body string) (entity.Record, error) {
	t.Helper()
	return entitytest.Insert(t, plugin.NewSet(Definition()).Catalog(), "plugins", body)
}

func TestRefusedConfigurations(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{
			name: "no key names", body: `{"name":"key-auth","config":{"key_names":[]}}`,
			want: "config.key_names: length must be at least 1",
		},
		{
			name: "a name that is no header", body: `{"name":"key-auth","config":{"key_names":["a b"]}}`,
			want: "config.key_names: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
		},
		{
			name: "a number for a flag", body: `{"name":"key-auth","config":{"key_in_body":1}}`,
			want: "config.key_in_body: expected a boolean",
		},
		{
			name: "an unknown field",
			body: `{"name":"key-auth","config":{"keys":[]}}`,
			want: "config.keys: unknown field",
		},
		{
			name: "a plugin of one consumer",
			body: `{"name":"key-auth","consumer":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}`,
			want: "consumer: value must be null",
		},
		{
			name: "a protocol that it is not for", body: `{"name":"key-auth","protocols":["tcp"]}`,
			want: "protocols: expected one of: grpc, grpcs, http, https",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := insert(t, tt.body)
			entitytest.Refused(t, err, tt.want)
		})
	}
}

func TestDefaults(t *testing.T) {
	r, err := insert(t, `{"name":"key-auth"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"key_names": []any{"apikey"}, "hide_credentials": false, "anonymous": nil,
		"key_in_header": true, "key_in_query": true, "key_in_body": false, "run_on_preflight": true,
	}
	if !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config\n%v\nwant\n%v", r["config"], want)
	}
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

func TestPriorityIsKongs(t *testing.T) {
	if p := Definition().Priority; p != 1250 {
		t.Errorf("priority %d", p)
	}
}
