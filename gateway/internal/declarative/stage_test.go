package declarative

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

const staged = `
services:
- name: a
  host: a.internal
  routes:
  - name: r
    paths: [/r]
    plugins:
    - name: key-auth
- name: b
  host: b.internal
consumers:
- username: u
  keyauth_credentials:
  - key: k
`

func stageOf(entity, operation, key, body string) Staged {
	return Staged{Entity: entity, Operation: operation, Key: key, Body: json.RawMessage(body)}
}

func TestStage(t *testing.T) {
	have := must(t, staged, nil)
	before := have.Len()
	for _, tt := range []struct {
		name    string
		changes []Staged
		want    string // the changes, or a part of the error
	}{
		{"an update", []Staged{stageOf("services", "update", "a", `{"host":"c"}`)}, `update service "a"`},
		{"a creation with a reference by name", []Staged{
			stageOf("routes", "create", "", `{"paths":["/n"],"service":{"name":"b"}}`)}, "create route"},
		{"a creation that refers to another", []Staged{stageOf("consumers", "create", "", `{"username":"v"}`),
			stageOf("acls", "create", "", `{"group":"g","consumer":{"username":"v"}}`)}, "create acl"},
		{"a deletion with what belongs to it", []Staged{stageOf("routes", "delete", "r", "")}, "delete plugin \"key-auth\""},
		{"a deletion of what is referred to", []Staged{stageOf("services", "delete", "a", "")},
			"changes[0] (services a): a route refers to it"},
		{"no such entity", []Staged{stageOf("routes", "update", "x", "{}")}, `changes[0] (routes x): key "x": there is no such route`},
		{"no such kind", []Staged{stageOf("rotes", "update", "x", "{}")}, `entity "rotes": want the name of a collection`},
		{"no such operation", []Staged{stageOf("routes", "replace", "r", "{}")}, `operation "replace": want create, update or delete`},
		{"a field that is wrong", []Staged{stageOf("services", "update", "b", "{}"), stageOf("services", "update", "a", `{"port":-1}`)},
			"changes[1] (services a): schema violation (port: value should be between 0 and 65535)"},
		{"a reference to nothing", []Staged{stageOf("routes", "update", "r", `{"service":{"name":"x"}}`)}, `service: there is no service "x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := have.Stage(tt.changes, time.Unix(1_800_000_000, 0))
			got := fmt.Sprint(err)
			if err == nil {
				var b strings.Builder
				WriteChanges(&b, Diff(have, set))
				got = b.String()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			if have.Len() != before {
				t.Error("the configuration that holds was changed")
			}
		})
	}
}
