package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kong/go-kong/kong"

	"github.com/gatelab/gatelab/gateway/internal/admin"
)

// tokensFile writes a tokens file of lines of name and role, and returns the
// tokens by name.
func tokensFile(t *testing.T, lines ...string) (path string, tokens map[string]string) {
	t.Helper()
	path, tokens = filepath.Join(t.TempDir(), "tokens"), map[string]string{}
	var file strings.Builder
	fmt.Fprintln(&file, "# name role hash")
	for _, line := range lines {
		name, role, _ := strings.Cut(line, " ")
		token, text, err := admin.NewToken(name, admin.Role(role))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&file, token)
		tokens[name] = text
	}
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, tokens
}

// with sends a form with a token.
func (b *testGateway) with(token, method, path, body string, header ...string) response {
	b.t.Helper()
	if token != "" {
		header = append(header, "Kong-Admin-Token: "+token)
	}
	header = append(header, "Content-Type: application/x-www-form-urlencoded")
	return raw(b.t, b.admin, request(method+" "+path, strings.TrimPrefix(b.admin, "http://"), body, header...))
}

func (b *testGateway) lastActor(token string) string {
	b.t.Helper()
	var page struct {
		Data []struct {
			Actor string `json:"actor"`
		} `json:"data"`
	}
	r := b.with(token, "GET", "/revisions?size=1", "")
	if err := json.Unmarshal([]byte(r.text), &page); err != nil || len(page.Data) != 1 {
		b.t.Fatalf("revisions: %d %s", r.StatusCode, r.text)
	}
	return page.Data[0].Actor
}

func TestTokens(t *testing.T) {
	file, tokens := tokensFile(t, "ann read-write", "bob read-only")
	b := boot(t, "--admin-tokens-file="+file)
	ann, bob := tokens["ann"], tokens["bob"]
	for _, tt := range []struct {
		name, token, method, path, body string
		header                          []string
		status                          int
	}{
		{name: "none", method: "GET", path: "/services", status: 401},
		{name: "none, a change", method: "POST", path: "/services", body: "name=a&host=h", status: 401},
		{name: "none, a path that is not there", method: "GET", path: "/nothing", status: 401},
		{name: "none, the metrics", method: "GET", path: "/metrics", status: 401},
		{name: "none, the cache", method: "DELETE", path: "/proxy-cache", status: 401},
		{name: "another one", token: ann + "x", method: "GET", path: "/services", status: 401},
		{name: "a name for a token", token: "ann", method: "GET", path: "/services", status: 401},
		{name: "an empty one", token: " ", method: "GET", path: "/services", status: 401},
		{name: "a hash for a token", token: strings.Fields(mustRead(t, file))[6], method: "GET", path: "/services", status: 401},
		{
			name: "as a basic password", method: "GET", path: "/services",
			header: []string{"Authorization: Basic " + ann}, status: 401,
		},
		{name: "in the query", method: "GET", path: "/services?kong-admin-token=" + ann, status: 401},
		{
			name: "two of them", token: ann, method: "GET", path: "/services",
			header: []string{"Kong-Admin-Token: " + bob}, status: 401,
		},
		{
			name: "as a bearer", method: "POST", path: "/services", body: "name=bearer&host=h",
			header: []string{"Authorization: bearer " + ann}, status: 201,
		},
		{name: "read-write", token: ann, method: "POST", path: "/services", body: "name=a&host=h", status: 201},
		{name: "read-write purges", token: ann, method: "DELETE", path: "/proxy-cache", status: 204},
		{name: "read-only looks", token: bob, method: "GET", path: "/services", status: 200},
		{name: "read-only asks for the head", token: bob, method: "HEAD", path: "/services", status: 200},
		{name: "read-only asks what there is", token: bob, method: "OPTIONS", path: "/services", status: 204},
		{
			name: "read-only validates", token: bob, method: "POST", path: "/schemas/services/validate",
			body: "name=b&host=h", status: 200,
		},
		{name: "read-only creates", token: bob, method: "POST", path: "/services", body: "name=b&host=h", status: 403},
		{name: "read-only puts", token: bob, method: "PUT", path: "/services/b", body: "host=h", status: 403},
		{name: "read-only changes", token: bob, method: "PATCH", path: "/services/a", body: "host=i", status: 403},
		{name: "read-only deletes", token: bob, method: "DELETE", path: "/services/a", status: 403},
		{name: "read-only purges", token: bob, method: "DELETE", path: "/proxy-cache", status: 403},
		{
			name: "read-only under a path that looks like validation", token: bob, method: "POST",
			path: "/services/schemas/validate", status: 403,
		},
		{name: "a method of no meaning", token: bob, method: "FOO", path: "/services", status: 403},
		{
			name: "a method that is overridden", token: bob, method: "GET", path: "/services/a",
			header: []string{"X-HTTP-Method-Override: DELETE"}, status: 200,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.t = t
			r := b.with(tt.token, tt.method, tt.path, tt.body, tt.header...)
			if r.StatusCode != tt.status {
				t.Errorf("%d %s, want %d", r.StatusCode, r.text, tt.status)
			}
			if tt.status == 401 && (!strings.Contains(r.text, "Kong-Admin-Token: TOKEN") || r.Header.Get("WWW-Authenticate") == "") {
				t.Errorf("the answer does not say what to do: %s %v", r.text, r.Header)
			}
		})
	}
	b.t = t
	if got := b.lastActor(bob); got != "ann" {
		t.Errorf("the actor is %q, want ann", got)
	}
	b.with(ann, "PATCH", "/services/a", "host=i", "X-Gatelab-Actor: mallory")
	if got := b.lastActor(bob); got != "ann" {
		t.Errorf("the actor of a token that claims another name is %q, want ann", got)
	}
	if got := b.counter(`gateway_listener_refused_total{listener="admin",reason="token"}`); got != "12" {
		t.Errorf("%s refusals for the token, want 12", got)
	}
	if log := b.log.String(); strings.Contains(log, ann) || strings.Contains(log, bob) {
		t.Error("a token is in the log")
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestClaimedActor(t *testing.T) {
	b := boot(t)
	b.with("", "POST", "/services", "name=a&host=h", "X-Gatelab-Actor: alice")
	if got := b.lastActor(""); got != "claimed:alice" {
		t.Errorf("the actor is %q", got)
	}
	b.with("", "PATCH", "/services/a", "host=i", "Authorization: Basic Ym9iOng=")
	if got := b.lastActor(""); got != "claimed:bob" {
		t.Errorf("the actor is %q", got)
	}
	b.with("", "PATCH", "/services/a", "host=j")
	if got := b.lastActor(""); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("the actor is %q", got)
	}
}

func TestTokensAreReadAgain(t *testing.T) {
	file, tokens := tokensFile(t, "ann read-write")
	b := boot(t, "--admin-tokens-file="+file)
	second, more := tokensFile(t, "bob read-only")
	is := func(token string, status int) func() bool {
		return func() bool { return b.with(token, "GET", "/services", "").StatusCode == status }
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(mustRead(t, second))
	b.eventually("a new token is taken", is(more["bob"], 200))
	b.eventually("the old one is refused", is(tokens["ann"], 401))
	for _, broken := range []string{"bob read-only sha256:zz", "", "bob read-only\n"} {
		logged := strings.Count(b.log.String(), "keeping the previous tokens")
		write(broken)
		b.eventually("what is wrong with the file is logged", func() bool {
			return is(more["bob"], 200)() && strings.Count(b.log.String(), "keeping the previous tokens") == logged+1
		})
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	b.eventually("a file that is gone keeps its tokens", func() bool {
		return is(more["bob"], 200)() && strings.Contains(b.log.String(), "no such file")
	})
	write("ann read-only " + strings.Fields(mustRead(t, second))[6] + "\n")
	b.eventually("a repaired file is taken", func() bool {
		return strings.Contains(b.with(more["bob"], "DELETE", "/services/a", "").text, "the token ann is read-only")
	})
}

func TestBrokenTokensFileAtStart(t *testing.T) {
	hash := "sha256:" + strings.Repeat("ab", 32)
	for text, want := range map[string]string{
		"":                            "no token in it",
		"# nothing\n":                 "no token in it",
		"a read-only\n":               "line 1: 2 fields: want three",
		"\na admin " + hash:           "line 2: role: want read-only or read-write",
		"a:b read-only " + hash:       "line 1: name: want",
		"a read-only hunter2":         "line 1: hash: want sha256:",
		"a read-only sha256:abcd":     "line 1: hash: want sha256:",
		"a read-only hunter2 hunter2": "line 1: 4 fields: want three",
		"a read-only " + hash + "\na read-write " + hash: "line 2: name: line 1 has the same",
	} {
		file := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"run", "check"} {
			var out strings.Builder
			code := run([]string{command, "--admin-tokens-file=" + file, "--proxy-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
				"--status-listen=127.0.0.1:0"}, nil, &out, &out)
			text := out.String()
			if code != 1 || !strings.Contains(text, "admin_tokens_file=") || !strings.Contains(text, want) || strings.Contains(text, "hunter2") {
				t.Errorf("%s with %q: code %d, want one with %q:\n%s", command, text, code, want, out.String())
			}
		}
	}
}

func TestTokenCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	var ann, out strings.Builder
	if code := run([]string{"token", "new", "ann", "--file", file}, nil, &ann, &out); code != 0 {
		t.Fatalf("%d %s", code, out.String())
	}
	if code := run([]string{"token", "new", "bob", "--role=read-only", "--file", file}, nil, &out, &out); code != 0 {
		t.Fatalf("%d %s", code, out.String())
	}
	b := boot(t, "--admin-tokens-file="+file)
	token := strings.TrimSpace(ann.String())
	if r := b.with(token, "POST", "/services", "name=a&host=h"); r.StatusCode != 201 {
		t.Errorf("with the printed token: %d %s", r.StatusCode, r.text)
	}
	if strings.Contains(mustRead(t, file), token) {
		t.Error("the token itself is in the file")
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"token", "new", "ann", "--file", file}, 1, "has the same"},
		{[]string{"token", "new", "a b"}, 2, `name "a b" is not allowed`},
		{[]string{"token", "new", "c", "--role=root"}, 2, `role "root" is not allowed: want read-only or read-write`},
		{[]string{"token"}, 2, "gateway token new NAME"},
		{[]string{"token", "--help"}, 0, "gateway token new NAME"},
		{[]string{"token", "new", "c"}, 0, "line for admin_tokens_file: c read-write sha256:"},
	} {
		var out strings.Builder
		if code := run(tt.args, nil, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q: %d %s", tt.args, code, out.String())
		}
	}
}

// TestGoKongWithToken is the official client with the header that it was given.
func TestGoKongWithToken(t *testing.T) {
	file, tokens := tokensFile(t, "deck read-write")
	b := boot(t, "--admin-tokens-file="+file)
	plain, err := kong.NewClient(&b.admin, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Root(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without the header: %v", err)
	}
	client, err := kong.NewClient(&b.admin, kong.HTTPClientWithHeaders(nil, http.Header{"Kong-Admin-Token": {tokens["deck"]}}))
	if err != nil {
		t.Fatal(err)
	}
	svc, err := client.Services.Create(t.Context(), &kong.Service{Name: kong.String("s"), Host: kong.String("h")})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := client.Services.ListAll(t.Context()); err != nil || len(list) != 1 || *list[0].ID != *svc.ID {
		t.Errorf("list: %v %v", list, err)
	}
	if got := b.lastActor(tokens["deck"]); got != "deck" {
		t.Errorf("the actor is %q", got)
	}
}
