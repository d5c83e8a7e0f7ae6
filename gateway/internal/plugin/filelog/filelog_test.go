package filelog

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/botdetection"
	"github.com/gatelab/gatelab/gateway/internal/plugin/jwt"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"file-log.path":                 `.: json:"path" + f.Path`,
	"file-log.reopen":               `.: json:"reopen" + f.Reopen`,
	"file-log.custom_fields_by_lua": "refused",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 9, Config: `{"path":"/tmp/x.log"}`,
		Defaults: map[string]any{"path": "/tmp/x.log", "reopen": false, "custom_fields_by_lua": nil},
		Refused: map[string]string{
			`{}`:              "path: required field missing",
			`{"path":"a*b"}`:  "path: not a valid filename",
			`{"path":"a&&b"}`: "path: not a valid filename",
			`{"path":"/tmp/x","custom_fields_by_lua":{"a":"return 1"}}`: "custom_fields_by_lua: value must be null: this gateway runs no Lua",
		},
	}.Check(t, Definition())
}

// lines waits until the file has that many.
func lines(t *testing.T, path string, n int) []string {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		raw, err := os.ReadFile(path)
		list := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
		if err == nil && len(list) >= n && strings.HasSuffix(string(raw), "\n") {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d lines are missing: %q, %v", n, raw, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// entry is a line without what changes from run to run.
func entry(t *testing.T, line string) map[string]any {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return e
}

func TestEntries(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-Twice"] = []string{"1", "2"}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "hello")
	})
	path := filepath.Join(t.TempDir(), "log")
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()},
		entity.Record{"name": name, "config": entity.Record{"path": path}}, entity.Record{"name": "key-auth"})
	began := time.Now().UnixMilli()
	g.Send(t, http.MethodPost, "/p?a=1&b=2&b=%20&c", "body!", "apikey:alices-key", "Authorization:secret", "X-A:1", "X-A:2")
	g.Send(t, http.MethodGet, "/refused", "")
	list := lines(t, path, 2)

	e := entry(t, list[0])
	check := func(want any, path ...string) {
		t.Helper()
		if got := entitytest.At(e, path...); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", strings.Join(path, "."), got, want)
		}
	}
	check("/p?a=1&b=2&b=%20&c", "request", "uri")
	check("POST", "request", "method")
	check(map[string]any{"a": "1", "b": []any{"2", " "}, "c": true}, "request", "querystring")
	check("REDACTED", "request", "headers", "authorization")
	check([]any{"1", "2"}, "request", "headers", "x-a")
	check("http://127.0.0.1:"+g.URL[strings.LastIndex(g.URL, ":")+1:]+"/p?a=1&b=2&b=%20&c", "request", "url")
	check(201.0, "response", "status")
	check([]any{"1", "2"}, "response", "headers", "x-twice")
	check("/p?a=1&b=2&b=%20&c", "upstream_uri")
	check("127.0.0.1", "client_ip")
	check("r1", "route", "id")
	check("s1", "service", "id")
	check("alice", "consumer", "username")
	check(map[string]any{"id": "k1", "consumer_id": "c1"}, "authenticated_entity")
	tries, _ := e["tries"].([]any)
	if len(tries) != 1 || entitytest.At(tries[0].(map[string]any), "ip") != "127.0.0.1" {
		t.Errorf("tries %v", e["tries"])
	}
	if size, _ := entitytest.At(e, "request", "size").(float64); size < 100 || size > 1000 {
		t.Errorf("request of %v bytes", size)
	}
	if at, _ := e["started_at"].(float64); at < float64(began) || at > float64(time.Now().UnixMilli()) {
		t.Errorf("started at %v", at)
	}
	for _, part := range []string{"kong", "proxy", "request"} {
		if ms, ok := entitytest.At(e, "latencies", part).(float64); !ok || ms < 0 || ms > 10_000 {
			t.Errorf("latency %s: %v", part, ms)
		}
	}

	e = entry(t, list[1])
	check(401.0, "response", "status")
	check(-1.0, "latencies", "proxy")
	check("", "upstream_uri")
	check(nil, "consumer")
	check(nil, "tries")
}

// TestReopen looks for a file that was moved away; without reopen the gateway goes
// on writing to that.
func TestReopen(t *testing.T) {
	origin := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, reopen := range []bool{true, false} {
		t.Run(fmt.Sprint(reopen), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()},
				entity.Record{"name": name, "config": entity.Record{"path": path, "reopen": reopen}})
			g.Send(t, http.MethodGet, "/first", "")
			lines(t, path, 1)
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			g.Send(t, http.MethodGet, "/second", "")
			second := path + ".1"
			n := 2
			if reopen {
				second, n = path, 1
			}
			if list := lines(t, second, n); len(list) != n || !strings.Contains(list[n-1], "/second") {
				t.Errorf("%q", list)
			}
		})
	}
}

// TestAFileThatCannotBeWritten costs no request anything.
func TestAFileThatCannotBeWritten(t *testing.T) {
	origin := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	dir := filepath.Join(t.TempDir(), "missing")
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()},
		entity.Record{"name": name, "config": entity.Record{"path": dir + "/log"}})
	if res, _ := g.Send(t, http.MethodGet, "/kept", ""); res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if list := lines(t, dir+"/log", 1); !strings.Contains(list[0], "/kept") {
		t.Errorf("%q", list)
	}
}

// TestEntriesTellNoCredentials: keys and tokens in header fields, queries and
// cookies are not told, whether they are right or not, nor where another plugin
// has answered before they were looked at.
func TestEntriesTellNoCredentials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	g := plugintest.Start(t, 0, http.NotFoundHandler(),
		[]plugin.Definition{Definition(), keyauth.Definition(), jwt.Definition(), botdetection.Definition()},
		entity.Record{"name": name, "config": entity.Record{"path": path}},
		entity.Record{"name": "key-auth", "config": entity.Record{"key_names": []any{"apikey", "X-Key"}, "anonymous": "c1"}},
		entity.Record{"name": "jwt", "config": entity.Record{"cookie_names": []any{"tok"}, "header_names": []any{"x-token"}, "anonymous": "c1"}},
		entity.Record{"name": "bot-detection"})
	requests := [][]string{
		{"/p?a=1&apikey=hunter2&b=2"}, {"/p?api%6bey=hunter2"}, {"/p?apikey=hunter2&apikey=hunter2x"}, {"/p?jwt=hunter2"},
		{"/p", "APIKEY:hunter2"}, {"/p", "x-key:hunter2", "X-Key:hunter2"}, {"/p", "apikey:alices-key"}, {"/p", "X-Token:Bearer hunter2"},
		{"/p", "Cookie:a=1; tok=hunter2; b=2"}, {"/p?apikey=hunter2", "X-Key:hunter2", "User-Agent:Googlebot-Nope ia_archiver"},
	}
	for _, r := range requests {
		g.Send(t, http.MethodGet, r[0], "", r[1:]...)
	}
	list := lines(t, path, len(requests))
	for i, line := range list {
		if strings.Contains(line, "hunter2") || strings.Contains(line, "alices-key") {
			t.Errorf("%v: %s", requests[i], line)
		}
	}
	if got := entitytest.At(entry(t, list[0]), "request", "uri"); got != "/p?a=1&apikey=REDACTED&b=2" {
		t.Errorf("uri %v", got)
	}
	if got := entitytest.At(entry(t, list[8]), "request", "headers", "cookie"); got != "a=1; tok=REDACTED; b=2" {
		t.Errorf("cookie %v", got)
	}
}
