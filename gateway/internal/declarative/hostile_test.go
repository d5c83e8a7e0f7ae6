package declarative

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// aliases are n levels, of which each stands ten times in the next.
func aliases(n int) string {
	var b strings.Builder
	b.WriteString("_comment:\n- &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range n {
		fmt.Fprintf(&b, "- &a%d [%s*a%d]\n", i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	return b.String()
}

// merges are n levels, of which each has the one before twice.
func merges(n int) string {
	var b strings.Builder
	b.WriteString("_comment:\n- &m0 {x: 1}\n")
	for i := range n {
		fmt.Fprintf(&b, "- &m%d {a: *m%d, b: *m%d}\n", i+1, i, i)
	}
	return b.String()
}

// TestFilesThatAreMadeToCost are refused for what they would become, or read at
// once. What is asserted is that the process lives and the test ends: without
// bounds, most of them take gigabytes and minutes.
func TestFilesThatAreMadeToCost(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tt := range []struct{ name, text, want string }{
		{"lists of aliases", aliases(9), "excessive aliasing"},
		{"objects of aliases", merges(30), "excessive aliasing"},
		{"an alias to itself", "_comment: &a [*a]", "contains itself"},
		{"an object within itself", "_comment: &a {b: *a}", "contains itself"},
		{"deep lists", "_comment: " + nested(100_000), "depth"},
		{"deep JSON", `JSON{"_format_version": "3.0", "_comment": ` + nested(100_000) + "}", "depth"},
		{"a deep block", "_comment:\n" + deepBlock(11_000), "depth"},
		{"many anchors", manyAnchors(30_000), ""},
		{"a long key", strings.Repeat("a", 1<<20) + ": 1", "could not find expected"},
		{"many escapes", `_comment: "` + strings.Repeat(`\u0041`, 200_000) + `"`, ""},
		{"some aliases", "_comment: &a [x]\nservices: []\n_ignore: [*a, *a, *a]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, isJSON := strings.CutPrefix(tt.text, "JSON")
			if !isJSON {
				text = "_format_version: \"3.0\"\n" + text
			}
			f, err := Read([]byte(text), catalog)
			if err == nil {
				_, err = f.Complete(nil, time.Unix(1_700_000_000, 0))
			}
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %.200s", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %.200v, want %s", err, tt.want)
			}
		})
	}
}

func deepBlock(n int) string {
	return strings.Repeat("- ", n) + "x"
}

func manyAnchors(n int) string {
	var b strings.Builder
	b.WriteString("_comment:\n")
	for i := range n {
		fmt.Fprintf(&b, "- &b%d x\n", i)
	}
	return b.String()
}

// TestWhatCanBeReadInTwoWays is refused: of two values one would be ignored.
func TestWhatCanBeReadInTwoWays(t *testing.T) {
	const head = `"_format_version": "3.0"`
	for _, tt := range []struct{ name, text, want string }{
		{"a key twice, JSON", `{` + head + `, "services": [], "services": [{"name": "a", "host": "h"}]}`, `"services" is there twice`},
		{"a key twice, deep in JSON", `{` + head + `, "services": [{"name": "a", "name": "b", "host": "h"}]}`, `"name" is there twice`},
		{"a key twice in other letters", `{` + head + `, "services": [{"name": "a", "n\u0061me": "b", "host": "h"}]}`, `"name" is there twice`},
		{"a key twice, YAML", head + "\nservices: []\nservices: []", "already defined"},
		{"a second document", head + "\nservices: []\n---\nservices: [{name: a, host: h}]", "a second document"},
		{"an empty second document", head + "\nservices: []\n---\n", ""},
		{"an escaped NUL, JSON", `{` + head + `, "consumers": [{"username": "a", "custom_id": "a\u0000b"}]}`, "without NUL"},
		{"an escaped NUL, YAML", head + "\nconsumers: [{username: a, custom_id: \"a\\0b\"}]", "without NUL"},
		{"a NUL in a key", `{` + head + `, "consumers": [{"username": "a", "b\u0000": "b"}]}`, "without NUL"},
		{"a date is a text", head + "\nconsumers: [{username: 2026-11-30}]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Read([]byte(tt.text), catalog)
			var set *Set
			if err == nil {
				set, err = f.Complete(nil, time.Unix(1_700_000_000, 0))
			}
			switch {
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.name == "a date is a text" && set.Records["consumers"][0]["username"] != "2026-11-30":
				t.Error(set.Records["consumers"][0])
			}
		})
	}
}

// TestErrorsShowNoSecrets: they are in the log, and in GET /status.
func TestErrorsShowNoSecrets(t *testing.T) {
	const s = "hunter2"
	for _, text := range []string{
		"consumers: [{username: a, keyauth_credentials: [{key: k, kex: hunter2}]}]",
		"consumers: [{username: a, keyauth_credentials: [hunter2]}]",
		"consumers: [{username: a, keyauth_credentials: {key: hunter2}}]",
		"consumers: [{username: a, keyauth_credential: [{key: hunter2}]}]",
		"consumers: [{username: a, jwt_secrets: [{secret: [hunter2]}]}]",
		"consumers: [{username: a, basicauth_credentials: [{username: a, password: {a: hunter2}}]}]",
		"keyauth_credential: [{key: hunter2}]",
		"xx_secret: hunter2",
		"plugins: [{name: rate-limiting, config: {minute: 1, redis: {passwrd: hunter2}}}]",
		"plugins: [{name: rate-limiting, config: {minute: 1, redis: hunter2}}]",
		"plugins: [{name: rate-limiting, config: hunter2}]",
		"plugins: [{name: http-log, config: {http_endpoint: 'http://u:hunter2 @h/'}}]",
		"plugins: [{name: http-log, config: {http_endpoint: 'http://h/', headers: {Authorization: [hunter2]}}}]",
		"plugins: [{name: http-log, config: {http_endpoint: 'http://h/', headers: hunter2}}]",
		"plugins: [{name: no-such, config: {client_secret: hunter2}}]",
		"certificates: [{cert: hunter2, key: hunter2}]",
		"services: [{name: s, url: 'http://u:hunter2@h/'}]",
	} {
		_, err := complete(t, text, nil)
		if err == nil {
			t.Errorf("%s: accepted", text)
			continue
		}
		if strings.Contains(err.Error(), s) {
			t.Errorf("%s: %s", text, err)
		}
	}
}

// TestAReferenceIsNoSecret: taken as it is, a reference in a field that is not
// read from a vault would be a secret that everybody can guess.
func TestAReferenceIsNoSecret(t *testing.T) {
	for _, text := range []string{
		"consumers: [{username: a, keyauth_credentials: [{key: '{vault://env/key}'}]}]",
		"consumers: [{username: a, jwt_secrets: [{key: k, secret: '{vault://env/secret}'}]}]",
		"consumers: [{username: a, hmacauth_credentials: [{username: k, secret: '{vault://aws/secret}'}]}]",
		"consumers: [{username: a, basicauth_credentials: [{username: k, password: '{vault://env/secret}'}]}]",
	} {
		if _, err := complete(t, text, nil); err == nil || !strings.Contains(err.Error(), "cannot be read from a vault") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
