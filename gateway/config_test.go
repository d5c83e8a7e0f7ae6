package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/internal/testenv"
)

// tool runs commands of the program against one database.
type tool struct {
	t   *testing.T
	dsn string
	dir string
}

// run returns the exit code and the output of a command.
func (c *tool) run(args ...string) (int, string) {
	c.t.Helper()
	var out strings.Builder
	code := run(append([]string{"config"}, append(args, "--pg-dsn="+c.dsn)...), nil, &out, &out)
	return code, out.String()
}

// want runs a command that succeeds and whose output has all parts.
func (c *tool) want(parts []string, args ...string) string {
	c.t.Helper()
	code, out := c.run(args...)
	for _, p := range parts {
		if code != 0 || !strings.Contains(out, p) {
			c.t.Fatalf("gateway config %v: code %d, no %q in\n%s", args, code, p, out)
		}
	}
	return out
}

func (c *tool) file(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

var revisionLine = regexp.MustCompile(`(?m)^revision (\d+)$`)

func revisionIn(t *testing.T, out string) string {
	t.Helper()
	m := revisionLine.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no revision in\n%s", out)
	}
	return m[1]
}

const everyKind = `
_format_version: "3.0"
_transform: true
services:
- name: ai-api
  url: http://127.0.0.1:9/base
  tags: [a, b]
  routes:
  - name: ai
    paths: [/ai]
    plugins:
    - name: key-auth
  - paths: [/unnamed]
  - paths: [/unnamed]
  plugins:
  - name: rate-limiting
    config: {minute: 5, policy: local}
- name: other
  host: other.internal
  tls_verify: null
routes:
- name: top
  service: {name: other}
  hosts: [example.com]
  headers: {x-version: ["1"]}
consumers:
- username: alice
  custom_id: "17"
  keyauth_credentials:
  - key: alice-key
    ttl: 5000
  basicauth_credentials:
  - username: alice
    password: pw
  acls:
  - group: admins
  jwt_secrets:
  - key: issuer
    secret: hunter2
- custom_id: "18"
upstreams:
- name: up.internal
  targets:
  - target: 127.0.0.1:9001
    weight: 10
  - target: 127.0.0.1
plugins:
- name: prometheus
- name: rate-limiting-advanced
  consumer: alice
  config: {limit: [10], window_size: [60], sync_rate: -1}
- name: correlation-id
  instance_name: ids
  route: ai
`

func TestAFileGoesIntoPostgresAndBack(t *testing.T) {
	c := &tool{t, testenv.Postgres(t), t.TempDir()}
	kong := c.file("kong.yml", everyKind)
	c.want([]string{"would be 20 created, 0 updated, 0 deleted"}, "import", kong, "--dry-run")
	out := c.want([]string{"create service \"ai-api\"", "20 created, 0 updated, 0 deleted", "revision 1"}, "import", kong)
	if strings.Contains(out, "hunter2") || strings.Contains(out, "alice-key") {
		t.Errorf("secrets are shown:\n%s", out)
	}
	c.want([]string{"0 created, 0 updated, 0 deleted", "revision 1"}, "import", kong)

	exported := filepath.Join(c.dir, "exported.yml")
	c.want(nil, "export", "--output="+exported)
	c.want([]string{"would be 0 created, 0 updated, 0 deleted"}, "diff", exported, "--exit-code")
	if first, second := c.want(nil, "export"), c.want(nil, "export"); first != second {
		t.Errorf("two exports differ:\n%s\n%s", first, second)
	}
	json := c.file("exported.json", c.want(nil, "export", "--format=json"))
	c.want([]string{"would be 0 created, 0 updated, 0 deleted"}, "diff", json, "--exit-code")

	// Into another database: the same again, and the same export.
	other := &tool{t, testenv.Postgres(t), c.dir}
	other.want([]string{"20 created"}, "import", exported)
	if first, second := c.want(nil, "export"), other.want(nil, "export"); first != second {
		t.Errorf("the export of an import differs:\n%s\n%s", first, second)
	}
}

func TestAnImportIsOneRevisionOrNothing(t *testing.T) {
	c := &tool{t, testenv.Postgres(t), t.TempDir()}
	c.want(nil, "import", c.file("kong.yml", everyKind))
	// Names are swapped, a route moves away from a service that goes, a target to another upstream.
	changed := strings.NewReplacer("- name: ai-api\n  url: http://127.0.0.1:9/base", "- name: ai-api\n  url: http://127.0.0.1:10/base",
		"- name: other\n  host: other.internal\n  tls_verify: null\n", "", "  service: {name: other}\n", "  service: ai-api\n",
		"weight: 10", "weight: 20").Replace(everyKind)
	out := c.want([]string{
		`delete service "other"`, `update route "top"`, `port 9 -> 10`, `weight 10 -> 20`, "0 created, 3 updated, 1 deleted", "revision 2",
	}, "import", c.file("changed.yml", changed))
	if strings.Count(out, "revision ") != 1 {
		t.Errorf("more than one revision:\n%s", out)
	}
	code, out := c.run("import", c.file("bad.yml", "_format_version: '3.0'\nservices:\n- name: x\n- name: y\n  host: h\n"+
		"  routes: [{paths: [/y], plugins: [{name: ldap-auth}]}]\nvaults: [{name: env, prefix: v}]\n"))
	for _, want := range []string{
		"3 problems, 2 of them", "invalid: services[0] (service \"x\"): host: required field missing",
		`unsupported: services[1].routes[0].plugins[0] (plugin "ldap-auth"): name = "ldap-auth"`,
		"unsupported: vaults: 1 vaults are not supported",
	} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("code %d, no %q in\n%s", code, want, out)
		}
	}
	history := c.want([]string{"import", "20 entities", "4 entities"}, "history")
	if strings.Count(history, "\n") != 3 {
		t.Errorf("the refused file is in the history:\n%s", history)
	}
	c.want([]string{`create service "other"`, "1 created, 3 updated, 0 deleted", "revision 3"}, "rollback", "1")
	c.want([]string{"would be 0 created, 0 updated, 0 deleted"}, "diff", filepath.Join(c.dir, "kong.yml"))
}

func TestCertificatesGoIntoPostgresAndBack(t *testing.T) {
	c := &tool{t, testenv.Postgres(t), t.TempDir()}
	authority := newAuthority(t)
	cert, key := authority.issue("example.com")
	indent := func(pem []byte) string { return strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", "\n    ") }
	file := "_format_version: \"3.0\"\ncertificates:\n- cert: |\n    " + indent(cert) + "\n  key: |\n    " + indent(key) +
		"\n  snis:\n  - name: example.com\n  - \"*.example.com\"\nca_certificates:\n- id: 00000000-0000-4000-8000-000000000001\n  cert: |\n    " +
		indent(authority.pem) + "\nservices:\n- name: s\n  url: https://h\n  ca_certificates: [00000000-0000-4000-8000-000000000001]\n"
	path := c.file("kong.yml", file)
	c.want([]string{"5 created, 0 updated"}, "import", path)
	c.want([]string{"0 created, 0 updated, 0 deleted"}, "import", path)
	c.want([]string{"0 created, 0 updated, 0 deleted"}, "diff", c.file("exported.yml", c.want(nil, "export")), "--exit-code")
	out := c.want([]string{`delete sni "*.example.com"`, "0 created, 0 updated, 1 deleted"}, "import",
		c.file("fewer.yml", strings.Replace(file, "  - \"*.example.com\"\n", "", 1)))
	if strings.Contains(out, "PRIVATE") {
		t.Errorf("a key is shown:\n%s", out)
	}
	c.want([]string{"1 created, 0 updated, 0 deleted"}, "rollback", "1")
	c.want([]string{"0 created, 0 updated, 0 deleted"}, "diff", path, "--exit-code")

	// The same file without a database.
	b, _ := bootFile(t, file)
	b.eventually("in use", func() bool { return b.get(b.status+"/health/ready").StatusCode == 200 })
	list := b.object("/certificates")["data"].([]any)
	names := list[0].(map[string]any)["snis"].([]any)
	if len(names) != 2 || names[0] != "example.com" || names[1] != "*.example.com" {
		t.Errorf("the certificate's names are %v", names)
	}
}

func TestWhatWillDifferFromKong(t *testing.T) {
	c := &tool{t: t, dir: t.TempDir()}
	conf := c.file("kong.conf", "# Kong\nproxy_listen = 0.0.0.0:8000, 0.0.0.0:8443 ssl # two\nrole = data_plane\npg_password = 'hunter2'\n"+
		"mem_cache_size=128m\nreal_ip_recursive = on\nplugins = bundled, mine\n")
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"a kong.conf", []string{conf}, 1, []string{
			"proxy_listen       read     proxy_listen = 0.0.0.0:8000; proxy_ssl_listen = 0.0.0.0:8443; http2 = off",
			"role               refused", "no hybrid mode",
			"pg_password        read     pg_dsn = ", "mem_cache_size     ignored", "real_ip_recursive  same", "does not have: mine",
			"dns_order          differs  not set: Kong's default is LAST,SRV,A,CNAME, the gateway's is LAST,A,AAAA,SRV,CNAME: "}},
		{"a kong.conf with an order of records", []string{c.file("dns.conf", "dns_order = LAST,SRV,A,CNAME\n")}, 0, []string{
			"dns_order        read  dns_order = LAST,SRV,A,CNAME"}},
		{"a file without problems", []string{c.file("good.yml", everyKind)}, 0, []string{"can be used as it is: 2 services, 4 routes",
			"dns_order not set: Kong's default is LAST,SRV,A,CNAME, the gateway's is LAST,A,AAAA,SRV,CNAME: "}},
		{"a file with problems", []string{c.file("bad.json",
			`{"_format_version":"3.0","plugins":[{"name":"acme"},{"name":"key-auth","x":1}]}`)}, 1, []string{
			"not supported by this gateway:\n  plugins[0] (plugin \"acme\")", "invalid:\n  plugins[1] (plugin \"key-auth\"): x: unknown field"}},
		{"no file", nil, 2, []string{"want one FILE"}},
		{"a line that is none", []string{c.file("odd.conf", "proxy_listen\n")}, 1, []string{`line 1: "proxy_listen": want name = value`}},
		{"a file that is not there", []string{"/does/not/exist"}, 1, []string{"no such file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			code := run(append([]string{"migrate-from-kong"}, tt.args...), nil, &out, &out)
			for _, want := range tt.want {
				if code != tt.code || !strings.Contains(out.String(), want) {
					t.Errorf("code %d, want %d; no %q in\n%s", code, tt.code, want, out.String())
				}
			}
			if strings.Contains(out.String(), "hunter2") {
				t.Errorf("a password is shown:\n%s", out.String())
			}
		})
	}
}

// TestNamesMayBeSwapped exchanges what must be unique between entities that stay.
func TestNamesMayBeSwapped(t *testing.T) {
	c := &tool{t, testenv.Postgres(t), t.TempDir()}
	const file = `
_format_version: "3.0"
services:
- {id: 00000000-0000-4000-8000-000000000001, name: A, host: one}
- {id: 00000000-0000-4000-8000-000000000002, name: B, host: two}
upstreams:
- id: 00000000-0000-4000-8000-000000000003
  name: A
  targets:
  - {id: 00000000-0000-4000-8000-000000000005, target: "h:1"}
- id: 00000000-0000-4000-8000-000000000004
  name: B
  targets:
  - {id: 00000000-0000-4000-8000-000000000006, target: "h:2"}
consumers:
- username: alice
  keyauth_credentials:
  - {id: 00000000-0000-4000-8000-000000000007, key: A}
- username: bob
  keyauth_credentials:
  - {id: 00000000-0000-4000-8000-000000000008, key: B}
`
	c.want([]string{"10 created"}, "import", c.file("a.yml", file))
	swapped := strings.NewReplacer("name: A", "name: B", "name: B", "name: A", "key: A", "key: B", "key: B", "key: A",
		"h:1", "h:2", "h:2", "h:1").Replace(file)
	c.want([]string{"0 created, 8 updated, 0 deleted"}, "import", c.file("b.yml", swapped))
	c.want([]string{"0 created, 0 updated, 0 deleted"}, "import", c.file("b.yml", swapped))
	// Secrets are not in the history: the keys stay.
	c.want([]string{"0 created, 6 updated, 0 deleted"}, "rollback", "1")
	c.want([]string{"update keyauth_credential", "key changed", "0 created, 2 updated, 0 deleted"}, "import", c.file("a.yml", file))
}

func TestAnyRevisionOfTheAdminAPICanBeBroughtBack(t *testing.T) {
	b := boot(t)
	c := &tool{t, b.direct, t.TempDir()}
	b.service() // revisions 1 and 2
	b.post("/services/ai-api/plugins", "name=request-termination", "config.status_code=418")
	b.post("/consumers", "username=alice")
	b.post("/consumers/alice/acls", "group=admins")
	b.eventually("the plugin", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 418 })
	before := c.want(nil, "export")
	plugin, _ := b.object("/plugins")["data"].([]any)[0].(map[string]any)["id"].(string)
	for _, path := range []string{"/consumers/alice", "/services/ai-api/plugins/" + plugin} {
		if code := b.send(http.MethodDelete, b.admin+path); code != 204 {
			t.Fatalf("DELETE %s: %d", path, code)
		}
	}
	b.eventually("no plugin", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
	c.want([]string{"would be 3 created, 0 updated, 0 deleted"}, "rollback", "5", "--dry-run")
	c.want([]string{"create acl", "create consumer \"alice\"", "3 created, 0 updated, 0 deleted"}, "rollback", "5")
	b.eventually("the plugin is back", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 418 })
	if after := c.want(nil, "export"); after != before {
		t.Errorf("what was brought back differs:\n%s\n%s", before, after)
	}
	c.want([]string{"0 created, 0 updated, 3 deleted"}, "rollback", "2")

	// A secret that is gone is not made up.
	b.post("/consumers", "username=bob")
	b.post("/consumers/bob/key-auth", "key=secret")
	with := revisionIn(t, "revision "+strings.Fields(strings.Split(c.want(nil, "history", "--size=1"), "\n")[1])[0]+"\n")
	res, err := http.PostForm(b.admin+"/consumers/bob/key-auth", url.Values{"key": {"other"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	c.want([]string{"0 created, 0 updated, 1 deleted"}, "rollback", with)
	if code := b.send(http.MethodDelete, b.admin+"/consumers/bob"); code != 204 {
		t.Fatal(code)
	}
	code, out := c.run("rollback", with)
	if code != 1 || !strings.Contains(out, "keyauth_credential") || !strings.Contains(out, "key") || strings.Contains(out, "secret\"") {
		t.Errorf("code %d:\n%s", code, out)
	}
	for argument, want := range map[string]string{"999999": "want 0 to", "x": "want the number of a revision"} {
		if code, out := c.run("rollback", argument); code != 1 || !strings.Contains(out, want) {
			t.Errorf("rollback %s: %d %s", argument, code, out)
		}
	}
}
