package admin

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/kong/go-kong/kong"
)

// TestASecondSyncChangesNoPlugin compares as decK does: what a file declares,
// filled in by what the schema says, with what is stored.
func TestASecondSyncChangesNoPlugin(t *testing.T) {
	base, _ := start(t)
	ctx := context.Background()
	c, err := kong.NewClient(&base, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []struct{ say, name, config string }{
		{"local", "rate-limiting", `{"minute":5}`},
		{"local, with sync_rate", "rate-limiting", `{"minute":5,"policy":"local","sync_rate":-1}`},
		{"flat", "rate-limiting", `{"minute":5,"policy":"redis","redis_host":"r"}`},
		{"flat, all of it", "rate-limiting", `{"minute":5,"policy":"redis","redis_host":"r","redis_port":6380,"redis_database":2,` +
			`"redis_password":"p","redis_username":"u","redis_ssl":true,"redis_ssl_verify":true,"redis_server_name":"s","redis_timeout":100}`},
		{"nested", "rate-limiting", `{"minute":5,"policy":"redis","redis":{"host":"r","database":3}}`},
		{"both", "rate-limiting", `{"minute":5,"policy":"redis","redis":{"host":"r"},"redis_host":"r"}`},
		{"with a namespace", "rate-limiting-advanced", `{"limit":[5,6],"window_size":[1,60],"strategy":"redis","redis":{"host":"r"},` +
			`"namespace":"n","sync_rate":0.5}`},
		{"without a word", "key-auth", `{}`},
		{"without a word", "prometheus", `{}`},
		{"without a word", "proxy-cache", `{}`},
		{"in Redis", "proxy-cache", `{"strategy":"redis","redis":{"host":"r"},"content_type":["text/html"]}`},
	} {
		t.Run(d.name+" "+d.say, func(t *testing.T) {
			declared := &kong.Plugin{Name: kong.String(d.name)}
			if err := json.Unmarshal([]byte(d.config), &declared.Config); err != nil {
				t.Fatal(err)
			}
			schema, err := c.Plugins.GetFullSchema(ctx, declared.Name)
			if err != nil {
				t.Fatal(err)
			}
			made, err := c.Plugins.Create(ctx, declared)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Plugins.Delete(ctx, made.ID) }()
			filled := declared.DeepCopy()
			if err := kong.FillPluginsDefaults(filled, schema); err != nil {
				t.Fatal(err)
			}
			same := func(say string, stored *kong.Plugin) {
				t.Helper()
				want, got := filled.DeepCopy(), stored.DeepCopy()
				if err := kong.ClearUnmatchingDeprecations(want, got, schema); err != nil {
					t.Fatal(err)
				}
				if a, b := plain(t, want.Config), plain(t, got.Config); !reflect.DeepEqual(a, b) {
					t.Errorf("%s:\n is declared %v\n but stored %v", say, a, b)
				}
				if !reflect.DeepEqual(want.Protocols, got.Protocols) || !*got.Enabled {
					t.Errorf("%s: protocols are %v, enabled is %t", say, got.Protocols, *got.Enabled)
				}
			}
			same("at first", made)
			// decK sends what it has filled in, under the same id.
			filled.ID = made.ID
			again, err := c.Plugins.Create(ctx, filled)
			if err != nil {
				t.Fatal(err)
			}
			same("after a sync", again)
		})
	}
}

// plain is a configuration without Go's types in it.
func plain(t *testing.T, c kong.Configuration) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(toJSON(t, c)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
