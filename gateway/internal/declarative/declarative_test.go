package declarative

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
)

var catalog = all.Plugins().Catalog()

// complete reads a file without its first line, the version.
func complete(t *testing.T, text string, known *Set) (*Set, error) {
	t.Helper()
	f, err := Read([]byte("_format_version: \"3.0\"\n"+text), catalog)
	if err != nil {
		return nil, err
	}
	return f.Complete(known, time.Unix(1_700_000_000, 0))
}

func must(t *testing.T, text string, known *Set) *Set {
	t.Helper()
	set, err := complete(t, text, known)
	if err != nil {
		t.Fatalf("%s\n%s", text, err)
	}
	return set
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"no YAML", "services: [", []string{"want YAML or JSON: "}},
		{"a list at the top", "- a", []string{"want YAML or JSON"}},
		{"another version", "", []string{`_format_version = "4.0": want one of "1.1", "2.1", "3.0", in quotes`}},
		{"a version that is a number", "", []string{`_format_version = 3: want one of`}},
		{"no list", "services: {name: a}", []string{`services = {"name":"a"}: want a list of services`}},
		{"no object", "services: [a]", []string{`services[0] = "a": want an object with the fields of a service`}},
		{"an unknown kind", "servces: [{name: a}]", []string{`servces: unknown entity: want one of [acls `}},
		{"an unknown key", "_frmat: x", []string{`_frmat = "x": unknown: want _format_version`}},
		{"another workspace", "_workspace: team", []string{`_workspace = "team": want default`}},
		{"a kind that is not supported", "vaults: [{name: env, prefix: p}]\nkeys: []",
			[]string{"vaults: 1 vaults are not supported: references"}},
		{"below an entity", "consumers: [{username: a, mtls_auth_credentials: [{name: x}]}]",
			[]string{`consumers[0] (consumer "a"): mtls_auth_credentials: 1 mtls_auth_credentials are not supported`}},
		{"fields, all at once", "services:\n- {name: a, host: h, port: 70000, retries: -1, tags: [ok, 'a,b'], hst: x}", []string{
			`services[0] (service "a"): hst: unknown field`, `services[0] (service "a"): port = 70000: value should be between 0 and 65535`,
			`services[0] (service "a"): retries = -1: value should be between 0 and 32767`, `services[0] (service "a"): tags[1] = "a,b": `}},
		{"a url", "services: [{name: a, url: nonsense}]", []string{`services[0] (service "a"): url = "nonsense": missing host in url`}},
		{"a plugin that is not there", "plugins: [{name: ldap-auth}]",
			[]string{`plugins[0] (plugin "ldap-auth"): name = "ldap-auth": this gateway has no such plugin: use basic-auth, hmac-auth`}},
		{"a plugin of one's own", "plugins: [{name: mine}]", []string{`name = "mine": this gateway has no such plugin: it has acl, `}},
		{"a plugin's fields", "plugins: [{name: rate-limiting, config: {minute: x, redis: {port: 0}}}]",
			[]string{`config.minute = "x": expected a number`}},
		{"a secret is not shown", "consumers: [{username: a, keyauth_credentials: [{key: 17}, {key: hunter2}, {key: hunter2}]}]", []string{
			`consumers[0].keyauth_credentials[0] (keyauth_credential): key = "***": expected a string`,
			`consumers[0].keyauth_credentials[2] (keyauth_credential`}},
		{"references", "routes: [{name: r, paths: [/], service: s}, {name: q, paths: [/], service: {name: s}}]", []string{
			`routes[0] (route "r"): service = "s": no such entry in 'services'`, `routes[1] (route "q"): service = {"name":"s"}: no such entry`}},
		{"nested and referring", "services: [{name: s, host: h, routes: [{name: r, paths: [/], service: s}]}]",
			[]string{`services[0].routes[0] (route "r"): service = "s": want none: the entity is nested in service "s"`}},
		{"twice", "services: [{name: s, host: h}, {name: s, host: i}]",
			[]string{`services[1] (service "s"): id = `, "the same service as services[0]"}},
		{"a name twice", "services: [{id: 00000000-0000-4000-8000-000000000001, name: s, host: h}, {name: s, host: i}]",
			[]string{`services[1] (service "s"): name = "s": must be unique: services[0] has the same`}},
		{"a plugin twice", "plugins: [{name: prometheus}, {name: prometheus}]", []string{"plugins[1]", "the same plugin as plugins[0]"}},
		{"an authority", "services: [{name: s, url: 'https://h', ca_certificates: [00000000-0000-4000-8000-000000000001]}]",
			[]string{`services[0] (service "s"): ca_certificates[0] = "00000000-0000-4000-8000-000000000001": no such entry`}},
		{"decK's shared configuration", "plugins: [{name: prometheus, _config: x}]", []string{`_config = "x": no such entry in _plugin_configs`}},
		{"decK's defaults", "_info: {defaults: {thing: {a: 1}}}", []string{"_info.defaults.thing = "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "_format_version: \"3.0\"\n" + tt.text
			switch tt.name {
			case "another version":
				text = `_format_version: "4.0"`
			case "a version that is a number":
				text = "_format_version: 3.0"
			}
			f, err := Read([]byte(text), catalog)
			if err == nil {
				_, err = f.Complete(nil, time.Unix(1, 0))
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in\n%s", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is shown: %s", err)
			}
		})
	}
}

func TestForms(t *testing.T) {
	const want = "create consumer \"c\""
	for name, text := range map[string]string{
		"YAML": "_format_version: '1.1'\nconsumers:\n- username: c\n", "JSON": `{"_format_version":"2.1","consumers":[{"username":"c"}]}`,
		"flow YAML": "{_format_version: '3.0', consumers: [{username: c}]}", "comments": "# c\n_format_version: '3.0'\n_comment: x\n" +
			"_ignore: [{a: b}]\nconsumers:\n- username: c\n  _comment: y\n  _ignore: []\n",
		"decK":    "_format_version: '3.0'\n_konnect: {control_plane_name: x}\n_info: {select_tags: [t]}\nconsumers: [{username: c}]",
		"anchors": "_format_version: '3.0'\n_ignore:\n- &n c\nconsumers:\n- username: *n\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Read([]byte(text), catalog)
			if err != nil {
				t.Fatal(err)
			}
			set, err := f.Complete(nil, time.Unix(1, 0))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			WriteChanges(&b, Diff(NewSet(catalog), set))
			if !strings.HasPrefix(b.String(), want) || set.Len() != 1 {
				t.Errorf("got %s", b.String())
			}
		})
	}
}

func TestIdsAreThoseOfKong(t *testing.T) {
	set := must(t, `
services:
- name: s
  host: h
  routes:
  - paths: [/a]
  - paths: [/a]
  - paths: [/b]
upstreams:
- {name: u, targets: [{target: "h:1"}]}
- {name: v, targets: [{target: "h:1"}]}
`, nil)
	seen := map[any]bool{}
	for _, list := range set.Records {
		for _, r := range list {
			if seen[r["id"]] {
				t.Errorf("the id %v is there twice", r["id"])
			}
			seen[r["id"]] = true
		}
	}
	// uuid5(uuid5("fd02801f-0957-4a15-a55a-c8d9606f30b5", "services"), "s")
	if got := set.Records["services"][0]["id"]; got != "b268827a-8f7f-551f-8769-e6bceb2f3ec6" {
		t.Errorf("the id of service s is %v", got)
	}
	again := must(t, "services: [{name: s, host: other}]", nil)
	if again.Records["services"][0]["id"] != set.Records["services"][0]["id"] {
		t.Error("the id depends on more than the name")
	}
}

// TestWhatIsKnownKeepsItsIds has entities that were created through the Admin API.
func TestWhatIsKnownKeepsItsIds(t *testing.T) {
	known := must(t, `
services: [{id: 00000000-0000-4000-8000-000000000001, name: s, host: h, created_at: 5}]
consumers:
- id: 00000000-0000-4000-8000-000000000002
  username: c
  basicauth_credentials: [{username: c, password: pw}]
  jwt_secrets: [{id: 00000000-0000-4000-8000-000000000003, key: k}]
plugins:
- {id: 00000000-0000-4000-8000-000000000004, name: rate-limiting-advanced, service: s, config: {limit: [1], window_size: [1], namespace: n}}
upstreams: [{id: 00000000-0000-4000-8000-000000000005, name: u, targets: [{id: 00000000-0000-4000-8000-000000000006, target: h}]}]
`, nil)
	const same = `
services: [{name: s, host: h}]
consumers:
- username: c
  basicauth_credentials: [{username: c, password: pw}]
  jwt_secrets: [{key: k}]
plugins: [{name: rate-limiting-advanced, service: s, config: {limit: [1], window_size: [1]}}]
upstreams: [{name: u, targets: [{target: "h:8000"}]}]
`
	if changes := Diff(known, must(t, same, known)); len(changes) > 0 {
		var b bytes.Buffer
		WriteChanges(&b, changes)
		t.Errorf("the same differs:\n%s", b.String())
	}
	hash, _ := known.Records["basicauth_credentials"][0]["password"].(string)
	raw := must(t, strings.Replace(same, "password: pw", "password: "+hash, 1), known)
	if got := raw.Records["basicauth_credentials"][0]["password"]; got != hash {
		t.Errorf("a hash that was read was hashed again: %v", got)
	}
	changes := Diff(known, must(t, strings.Replace(same, "host: h", "host: i", 1), known))
	if len(changes) != 1 || changes[0].Operation != Update || strings.Join(changes[0].Fields, ",") != "host" ||
		changes[0].After["created_at"] != int64(5) {
		t.Errorf("got %+v, want an update of the host alone", changes)
	}
}

func TestDecksOwnKeys(t *testing.T) {
	set := must(t, `
_info:
  select_tags: [team]
  defaults: {service: {retries: 1, port: 81}, route: {strip_path: false}}
_plugin_configs: {slow: {minute: 5, policy: local}}
services:
- {name: s, host: h, port: 82, tags: [own]}
routes: [{name: r, paths: [/], service: {name: s}}]
plugins: [{name: rate-limiting, _config: slow, config: {minute: 6}}]
`, nil)
	s, r := set.Records["services"][0], set.Records["routes"][0]
	p := set.Records["plugins"][0]
	config, _ := p["config"].(map[string]any)
	if s["retries"] != int64(1) || s["port"] != int64(82) || r["strip_path"] != false ||
		config["policy"] != "local" || config["minute"] != int64(6) {
		t.Errorf("service %v\nroute %v\nplugin %v", s, r, p)
	}
	if tags, _ := s["tags"].([]any); len(tags) != 2 || tags[0] != "own" || tags[1] != "team" {
		t.Errorf("tags %v", s["tags"])
	}
}

// TestEveryKindIsServed finds entities that no list of the data plane has.
func TestEveryKindIsServed(t *testing.T) {
	lists := new(entity.Config).Lists()
	for _, s := range catalog.Schemas() {
		if s.Name == "keys" || s.Name == "key_sets" {
			continue // the data plane reads none: the Admin API alone serves them
		}
		if _, ok := lists[s.Name]; !ok {
			t.Errorf("entity.Config.Lists has no %s: without a database they would be ignored", s.Name)
		}
		delete(lists, s.Name)
	}
	for name := range lists {
		t.Errorf("entity.Config.Lists has %s, which no schema is for", name)
	}
}
