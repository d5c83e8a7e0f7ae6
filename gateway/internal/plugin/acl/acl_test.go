package acl

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"acl.allow":              `.: json:"allow" + .Allow`,
	"acl.deny":               `.: json:"deny" + .Deny`,
	"acl.hide_groups_header": `.: json:"hide_groups_header" + .HideGroupsHeader`,
	"acls.id":                "kept",
	"acls.created_at":        "kept",
	"acls.tags":              "kept",
	"acls.consumer":          "..: a.Consumer",
	"acls.group":             "..: a.Group",
}

func TestSchema(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"acl": Definition().Config, "acls": groups().Fields}, nil)
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"acl","config":{"allow":["a"]}}`)
	want := map[string]any{"allow": []any{"a"}, "deny": nil, "hide_groups_header": false}
	if err != nil || !reflect.DeepEqual(r["config"], want) || Definition().Priority != 950 {
		t.Errorf("config %v, %v", r["config"], err)
	}
	for config, want := range map[string]string{
		`{}`:                         "at least one of these fields must be non-empty",
		`{"allow":["a"],"deny":[]}`:  "only one of these fields must be non-empty",
		`{"allow":[""]}`:             "config.allow: length must be at least 1",
		`{"whitelist":["a"]}`:        "config.whitelist: unknown field",
		`{"allow":"a"}`:              "config.allow: expected an array",
		`{"hide_groups_header":"x"}`: "config.hide_groups_header: expected a boolean",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"acl","config":`+config+`}`)
		entitytest.Refused(t, err, want)
	}
	_, err = entitytest.Insert(t, schemas, "acls", `{"consumer":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}`)
	entitytest.Refused(t, err, "group: required field missing")
}

func TestGroups(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header["X-Consumer-Groups"]) })
	const refused = `403 {"message":"You cannot consume this service"}`
	const (
		alice  = "alices-key"
		guest  = ""
		nobody = "-"
	)
	for _, tt := range []struct {
		name   string
		config entity.Record
		key    string
		want   string
	}{
		{name: "an allowed group", config: entity.Record{"allow": []any{"x", "staff"}}, key: alice, want: "200 [team, staff]"},
		{name: "none of the allowed", config: entity.Record{"allow": []any{"x"}}, key: alice, want: refused},
		{name: "an empty list", config: entity.Record{"allow": []any{}}, key: alice, want: refused},
		{name: "a denied group", config: entity.Record{"deny": []any{"staff"}}, key: alice, want: refused},
		{name: "none of the denied", config: entity.Record{"deny": []any{"x"}}, key: alice, want: "200 [team, staff]"},
		{name: "hidden", config: entity.Record{"deny": []any{"x"}, "hide_groups_header": true}, key: alice, want: "200 []"},
		{name: "no group, allowed", config: entity.Record{"allow": []any{"staff"}}, key: guest, want: refused},
		{name: "no group, denied", config: entity.Record{"deny": []any{"staff"}}, key: guest, want: "200 []"},
		{name: "no consumer", config: entity.Record{"deny": []any{"staff"}}, key: nobody, want: `401 {"message":"Unauthorized"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			configured := []entity.Record{{"name": "acl", "config": tt.config}}
			if tt.key != nobody {
				configured = append(configured, entity.Record{"name": "key-auth", "config": entity.Record{"anonymous": "guest"}})
			}
			g := plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()}, func(c *entity.Config) {
				c.Consumers = append(c.Consumers, entity.Consumer{ID: "c2", Username: "guest"})
				c.ACLs = []entity.ACL{{Group: "team", Consumer: entity.Ref{ID: "c1"}}, {Group: "staff", Consumer: entity.Ref{ID: "c1"}}}
			}, configured...)
			res, body := g.Send(t, http.MethodGet, "/", "", "apikey:"+tt.key, "X-Consumer-Groups:staff")
			if got := fmt.Sprintf("%d %s", res.StatusCode, body); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
