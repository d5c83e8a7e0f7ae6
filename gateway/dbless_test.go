package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bootFile runs the program without a database, with a configuration file where
// text is not empty.
func bootFile(t *testing.T, text string) (b *testGateway, file string) {
	t.Helper()
	b = &testGateway{t: t, slow: make(chan struct{}), arrived: make(chan struct{}, 1), ended: make(chan error, 1), log: &lines{}}
	b.origin = httptest.NewServer(http.HandlerFunc(b.answer))
	t.Cleanup(b.origin.Close)
	args := []string{"--database=off", "--proxy-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--status-listen=127.0.0.1:0",
		"--declarative-poll-interval=20ms"}
	if text != "" {
		file = filepath.Join(t.TempDir(), "kong.yml")
		write(t, file, b.filled(text))
		args = append(args, "--declarative-config="+file)
	}
	b.launch(args)
	return b, file
}

// filled puts the origin's address into a file.
func (b *testGateway) filled(text string) string {
	return strings.ReplaceAll(text, "ORIGIN", b.origin.URL)
}

// write replaces a file as editors and deployments do, by a rename.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// object is what a GET of the Admin API answers.
func (b *testGateway) object(path string) map[string]any {
	b.t.Helper()
	r := b.get(b.admin + path)
	var out map[string]any
	if err := json.Unmarshal([]byte(r.text), &out); err != nil {
		b.t.Fatalf("GET %s: %d %s", path, r.StatusCode, r.text)
	}
	return out
}

const oneRoute = `
_format_version: "3.0"
services:
- name: ai-api
  url: ORIGIN
  routes:
  - name: ai
    paths: [/ai]
    strip_path: false
`

func TestServesAFileWithoutADatabase(t *testing.T) {
	b, file := bootFile(t, oneRoute)
	b.eventually("served", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
	if got := b.object("/")["configuration"].(map[string]any)["database"]; got != "off" {
		t.Errorf("GET / says the database is %v", got)
	}
	first := b.object("/status")["configuration_hash"]
	route := b.object("/routes/ai")

	write(t, file, b.filled(oneRoute)+"    plugins:\n    - name: key-auth\n")
	b.eventually("the changed file", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 401 })
	if hash := b.object("/status")["configuration_hash"]; hash == first {
		t.Errorf("the hash is %v before and after a change", hash)
	}
	if again := b.object("/routes/ai"); again["id"] != route["id"] || again["created_at"] != route["created_at"] {
		t.Errorf("a route that is the same became another: %v, then %v", route, again)
	}

	write(t, file, b.filled(oneRoute)+"    plugins:\n    - name: no-auth\n    - name: key-auth\n      config: {key_names: []}\n")
	b.eventually("the error", func() bool {
		return strings.Contains(b.get(b.status+"/metrics").text, "\ngateway_declarative_config_rejected 1\n")
	})
	if r := b.get(b.proxy + "/ai/x"); r.StatusCode != 401 {
		t.Errorf("after an invalid file: %d, want the last good one to serve", r.StatusCode)
	}
	status := b.get(b.admin + "/status").text
	for _, want := range []string{"services[0].routes[0].plugins[0]", "no-auth", "services[0].routes[0].plugins[1]", "key_names"} {
		if !strings.Contains(status, want) || !strings.Contains(b.log.String(), want) {
			t.Errorf("/status or the log lacks %s:\n%s", want, status)
		}
	}
	write(t, file, b.filled(oneRoute))
	b.eventually("the corrected file", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
	if b.object("/status")["declarative_config"].(map[string]any)["rejected"] != nil ||
		!strings.Contains(b.get(b.status+"/metrics").text, "\ngateway_declarative_config_rejected 0\n") {
		t.Errorf("the error is still shown: %v", b.object("/status"))
	}
}

// TestFollowsAConfigMap swaps a symbolic link as the kubelet does.
func TestFollowsAConfigMap(t *testing.T) {
	b, file := bootFile(t, oneRoute)
	dir := filepath.Dir(file)
	swap := func(name, text string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "kong.yml"), text)
		for _, err := range []error{
			os.Symlink(name, filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	swap("..1", b.filled(oneRoute))
	if err := os.Symlink("..data/kong.yml", file+".link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".link", file); err != nil {
		t.Fatal(err)
	}
	b.eventually("served", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
	swap("..2", strings.ReplaceAll(b.filled(oneRoute), "[/ai]", "[/new]"))
	b.eventually("the new revision of the map", func() bool { return b.get(b.proxy+"/new").StatusCode == 200 })

	// In place, and in two parts.
	f, err := os.OpenFile(filepath.Join(dir, "..2", "kong.yml"), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprint(f, strings.ReplaceAll(b.filled(oneRoute), "[/ai]", "[/third]"))
	if closed := f.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	b.eventually("what was written in place", func() bool { return b.get(b.proxy+"/third").StatusCode == 200 })
}

func TestTheAdminAPIOnlyReplacesTheWhole(t *testing.T) {
	b, _ := bootFile(t, "")
	b.eventually("waiting", func() bool {
		r := b.get(b.status + "/status/ready")
		return r.StatusCode == 503 && strings.Contains(r.text, "POST /config")
	})
	if got := b.object("/status")["configuration_hash"]; got != strings.Repeat("0", 32) {
		t.Errorf("without a configuration the hash is %v", got)
	}
	post := func(query, kind, body string) (int, string) {
		res, err := http.Post(b.admin+"/config"+query, kind, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var text strings.Builder
		_, _ = fmt.Fprint(&text, res.Status, " ")
		raw := make([]byte, 4096)
		n, _ := res.Body.Read(raw)
		return res.StatusCode, text.String() + string(raw[:n])
	}
	wrapped, err := json.Marshal(map[string]string{"config": b.filled(oneRoute)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, query, kind, body string
		code                    int
		part                    string
	}{
		{name: "nothing", kind: "application/json", body: "{}", code: 400, part: "_format_version"},
		{
			name: "no declaration", kind: "application/x-www-form-urlencoded", body: "a=b", code: 400,
			part: "expected a declarative configuration",
		},
		{name: "another type", kind: "image/png", body: "x", code: 415, part: "Unsupported Media Type"},
		{
			name: "invalid", kind: "application/yaml", body: "_format_version: '3.0'\nservices: [{port: 70000}]\n",
			code: 400, part: "services[0].port",
		},
		{name: "as text in JSON", kind: "application/json", body: string(wrapped), code: 201, part: `"services":{`},
		{name: "the same", query: "?check_hash=1", kind: "application/json", body: string(wrapped), code: 304},
		{
			name: "the same in another form", query: "?check_hash=1", kind: "application/yaml",
			body: b.filled(oneRoute), code: 304,
		},
		{name: "the same without asking", kind: "application/json", body: string(wrapped), code: 201, part: `"services":{`},
		{
			name: "as an object", query: "?check_hash=1", kind: "application/json",
			body: `{"_format_version":"3.0","services":[{"name":"s","host":"h"}]}`, code: 201, part: `"s"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code, text := post(tt.query, tt.kind, tt.body); code != tt.code || !strings.Contains(text, tt.part) {
				t.Errorf("got %s, want %d with %s", text, tt.code, tt.part)
			}
		})
	}
	for _, tt := range []struct{ method, path, word string }{
		{"POST", "/services", "create 'services'"}, {"PUT", "/services/s", "create or update 'services'"},
		{"PATCH", "/services/s", "update 'services'"}, {"DELETE", "/services/s", "remove 'services'"},
		{"POST", "/services/s/routes", "create 'routes'"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, b.admin+tt.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		err = json.NewDecoder(res.Body).Decode(&body)
		_ = res.Body.Close()
		want := "cannot " + tt.word + " entities when not using a database"
		if err != nil || res.StatusCode != 405 || body["message"] != want || body["code"] != 12.0 {
			t.Errorf("%s %s: %d %v %v", tt.method, tt.path, res.StatusCode, body, err)
		}
	}
	if list := b.object("/services?size=1"); len(list["data"].([]any)) != 1 || list["next"] != nil {
		t.Errorf("GET /services: %v", list)
	}
}

func TestAFileThatIsInvalidAtTheStartIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kong.yml")
	write(t, file, "_format_version: \"3.0\"\nroutes:\n- paths: [x]\n- name: ok\n  service: nope\n  paths: [/]\n")
	var out strings.Builder
	code := run([]string{"--database=off", "--declarative-config=" + file, "--proxy-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
		"--status-listen=127.0.0.1:0"}, nil, &out, &out)
	for _, want := range []string{"routes[0]", `paths[0] = "x"`, "routes[1]", `service = "nope"`} {
		if code != exitFailed || !strings.Contains(out.String(), want) {
			t.Errorf("code %d, no %s in\n%s", code, want, out.String())
		}
	}
}

// TestHostileConfigurations: what POST /config refuses costs little, changes
// nothing, and tells nobody a secret.
func TestHostileConfigurations(t *testing.T) {
	b, _ := bootFile(t, oneRoute)
	b.eventually("served", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
	hash := b.object("/status")["configuration_hash"]
	bomb := "_format_version: \"3.0\"\n_comment:\n- &a0 [x]\n"
	for i := range 30 {
		bomb += fmt.Sprintf("- &a%d [*a%d, *a%d]\n", i+1, i, i)
	}
	for _, c := range []struct{ name, kind, body, want string }{
		{"a bomb", "application/yaml", bomb, "excessive aliasing"},
		{"deep JSON", "application/json", `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", "depth"},
		{"a key twice", "application/json", `{"_format_version": "3.0", "services": [], "services": []}`, "there twice"},
		{"a secret in the wrong place", "application/yaml",
			"_format_version: \"3.0\"\nconsumers: [{username: a, keyauth_credentials: [{kye: hunter2}]}]", "unknown field"},
	} {
		res, err := http.Post(b.admin+"/config", c.kind, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %d %.300s", c.name, res.StatusCode, text)
		}
		state := b.get(b.admin + "/status").text
		if strings.Contains(string(text)+state+b.log.String(), "hunter2") {
			t.Errorf("%s: the secret is shown: %.300s %.300s", c.name, text, state)
		}
	}
	if got := b.object("/status")["configuration_hash"]; got != hash || b.get(b.proxy+"/ai/x").StatusCode != 200 {
		t.Errorf("the configuration is %v, was %v", got, hash)
	}
}
