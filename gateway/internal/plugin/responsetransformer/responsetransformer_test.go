package responsetransformer

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/proxycache"
)

type c = map[string]any

func list(entries ...string) []any {
	out := make([]any, len(entries))
	for i, e := range entries {
		out[i] = e
	}
	return out
}

const maxBody = 4 << 10

// answers is an origin that answers each path in its own way.
func answers(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", `"e"`)
	h["X-Old"] = []string{"1", "2"}
	h.Set("X-Gone", "1")
	body := `{"gone":1,"re":{"a":[1]},"has":false,"l":["1"],"long":12345678901234567890}`
	switch r.URL.Path {
	case "/text":
		h.Set("Content-Type", "text/plain")
	case "/coded":
		h.Set("Content-Encoding", "br")
	case "/list":
		body = "[1]"
	case "/long":
		body = `{"gone":"` + strings.Repeat("x", maxBody/2) + `"}`
	case "/longer":
		body = `{"gone":"` + strings.Repeat("x", maxBody) + `"}`
	}
	if r.Method == http.MethodHead {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	_, _ = io.WriteString(w, body)
}

func get(t *testing.T, url, method string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "br") // no decoding by the client
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestHeaders(t *testing.T) {
	g := plugintest.Start(t, maxBody, http.HandlerFunc(answers), []plugin.Definition{Definition()},
		entity.Record{"name": "response-transformer", "config": c{
			"remove":  c{"headers": list("x-gone", "Date")},
			"rename":  c{"headers": list("X-Old:X-New", "X-None:X-Other")},
			"replace": c{"headers": list("X-None:1", "X-New:n", "Content-Type:text/html")},
			"add":     c{"headers": list("X-Old:again", "X-New:2", "X-Url:http://a:1")},
			"append":  c{"headers": list("X-New:more", "X-List:1", "X-List:2")},
		}})
	res, body := get(t, g.URL, http.MethodGet)
	for name, want := range map[string]string{
		"X-Gone": "", "X-Old": "again", "X-New": "n|more", "X-Other": "", "X-None": "", "X-Url": "http://a:1", "X-List": "1|2",
		"Content-Type": "text/html", "Date": "", "Etag": `"e"`,
	} {
		if got := strings.Join(res.Header[name], "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.HasPrefix(body, `{"gone":1`) {
		t.Errorf("the body was changed: %s", body)
	}
}

func TestJSON(t *testing.T) {
	g := plugintest.Start(t, maxBody, http.HandlerFunc(answers), []plugin.Definition{Definition()},
		entity.Record{"name": "response-transformer", "config": c{
			"remove":  c{"json": list("gone", "none")},
			"replace": c{"json": list("re:http://x", "none:1")},
			"add":     c{"json": list("p1:v1", "n:-1.5e3", "b:true", "has:x", "s:12"), "json_types": list("string", "number", "boolean")},
			"append":  c{"json": list("l:2", "l:true", "new:1"), "json_types": list("number", "boolean")},
		}})
	plain := `{"gone":1,"re":{"a":[1]},"has":false,"l":["1"],"long":12345678901234567890}`
	changed := `{"re":"http://x","has":false,"l":["1",2,true],"long":12345678901234567890,"p1":"v1","n":-1.5e3,"b":true,"s":"12","new":["1"]}`
	for path, want := range map[string]string{
		"/": changed, "/text": plain, "/coded": plain, "/list": "[1]",
		"/long":   `{"p1":"v1","n":-1.5e3,"b":true,"has":"x","s":"12","l":[2,true],"new":["1"]}`,
		"/longer": `{"message":"An invalid response was received from the upstream server"}`,
	} {
		res, got := get(t, g.URL+path, http.MethodGet)
		if got != want || res.ContentLength != int64(len(got)) {
			t.Errorf("%s: %d %s\nwant %s", path, res.ContentLength, got, want)
		}
		if tag := res.Header.Get("ETag"); path == "/" && tag != `W/"e"` || path == "/text" && tag != `"e"` {
			t.Errorf("%s: ETag %s", path, tag)
		}
	}
	if res, got := get(t, g.URL, http.MethodHead); got != "" || res.ContentLength == int64(len(plain)) {
		t.Errorf("HEAD: length %d, body %q", res.ContentLength, got)
	}
}

// TestCachedAnswersAreChangedOnce: the cache keeps the upstream's answer, so that
// nothing is appended twice to one that it serves.
func TestCachedAnswersAreChangedOnce(t *testing.T) {
	g := plugintest.Start(t, maxBody, http.HandlerFunc(answers), []plugin.Definition{Definition(), proxycache.Definition()},
		entity.Record{"name": "response-transformer", "config": c{
			"append": c{"headers": list("X-Old:3"), "json": list("l:2")}, "remove": c{"headers": list("X-Gone")},
		}},
		entity.Record{"name": "proxy-cache", "config": c{"strategy": "memory", "content_type": list("application/json")}})
	for _, status := range []string{"Miss", "Hit", "Hit"} {
		res, got := get(t, g.URL, http.MethodGet)
		old := strings.Join(res.Header["X-Old"], "|")
		if res.Header.Get("X-Cache-Status") != status || old != "1|2|3" || !strings.Contains(got,
			`"l":["1","2"]`) || res.Header["X-Gone"] != nil {
			t.Errorf("%s: %v %s", status, res.Header, got)
		}
	}
}

// TestAnswersToHeadHaveTheLengthOfGets: those that the gateway makes itself have
// GET's body, so that their length is known.
func TestAnswersToHeadHaveTheLengthOfGets(t *testing.T) {
	config := entity.Record{"name": "response-transformer", "config": c{"add": c{"json": list("more:1")}}}
	definitions := []plugin.Definition{Definition(), proxycache.Definition(), keyauth.Definition()}
	stored := plugintest.Start(t, maxBody, http.HandlerFunc(answers), definitions, config,
		entity.Record{"name": "proxy-cache", "config": c{"strategy": "memory", "content_type": list("application/json")}})
	refused := plugintest.Start(t, maxBody, http.HandlerFunc(answers), definitions, config, entity.Record{"name": "key-auth"})
	for name, g := range map[string]*plugintest.Gateway{"stored": stored, "refused": refused} {
		_, body := get(t, g.URL, http.MethodGet)
		res, none := get(t, g.URL, http.MethodHead)
		if res.ContentLength != int64(len(body)) || none != "" {
			t.Errorf("%s: length %d and body %q, GET has %d", name, res.ContentLength, none, len(body))
		}
		again, _ := get(t, g.URL, http.MethodGet)
		if tag := res.Header.Get("ETag"); tag != again.Header.Get("ETag") {
			t.Errorf("%s: ETag %s, GET has %s", name, tag, again.Header.Get("ETag"))
		}
	}
}

// TestRenamedFieldsStaySeparate has those that the codec keeps apart from others.
func TestRenamedFieldsStaySeparate(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", "a=1; Path=/")
		w.Header().Add("Set-Cookie", "b=2; Secure")
		w.Header().Set("Server", "origin")
		w.Header().Set("Date", "Tue, 14 Nov 2023 22:13:20 GMT")
	})
	g := plugintest.Start(t, maxBody, origin, []plugin.Definition{Definition()}, entity.Record{"name": "response-transformer", "config": c{
		"rename": c{"headers": list("Set-Cookie:X-Cookie", "server:X-Server", "Date:X-Date", "Content-Type:X-Type")},
	}})
	res, _ := get(t, g.URL, http.MethodGet)
	for name, want := range map[string]string{
		"X-Cookie": "a=1; Path=/|b=2; Secure", "Set-Cookie": "", "X-Server": "origin", "Server": "",
		"X-Date": "Tue, 14 Nov 2023 22:13:20 GMT", "Date": "",
	} {
		if got := strings.Join(res.Header[name], "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
