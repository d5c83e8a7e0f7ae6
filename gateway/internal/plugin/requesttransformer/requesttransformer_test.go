package requesttransformer

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/proxycache"
)

const maxBody = 4 << 10

// echo answers with the request as the upstream has got it: line, Host, fields
// that begin with X-T, body, and whether Content-Length is right.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var fields []string
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-T") || name == "Cookie" || name == "X-Forwarded-Host" && values[0] == "replaced" {
			fields = append(fields, name+"="+strings.Join(values, "|"))
		}
	}
	slices.Sort(fields)
	host := ""
	if !strings.HasPrefix(r.Host, "127.0.0.1") {
		host = r.Host
	}
	w.Header().Set("X-Seen", r.Method+" "+r.RequestURI)
	framed := err == nil && r.ContentLength == int64(len(body))
	fmt.Fprintf(w, "%s %s;%s;%s;%s;%t", r.Method, r.RequestURI, host, strings.Join(fields, ","), body, framed)
}

type c = map[string]any

func list(entries ...string) []any {
	out := make([]any, len(entries))
	for i, e := range entries {
		out[i] = e
	}
	return out
}

func send(t *testing.T, g *plugintest.Gateway, r request) (*http.Response, string) {
	t.Helper()
	method := r.method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequest(method, g.URL+r.target, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.header {
		name, value, _ := strings.Cut(f, ":")
		req.Header.Add(name, value)
	}
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

type request struct {
	method, target string
	header         []string
	body           string
}

func TestRequests(t *testing.T) {
	const form = "Content-Type:application/x-www-form-urlencoded"
	const js = "Content-Type:application/json; charset=utf-8"
	const multi = "Content-Type:multipart/form-data; boundary=B"
	part := func(name, value string) string {
		return "--B\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	post := http.MethodPost
	for _, tt := range []struct {
		name   string
		config c
		request
		want string // as echo has it; or "STATUS body"
	}{
		{name: "nothing to do", request: request{target: "/a%20b?x=%20&y"}, want: "GET /a%20b?x=%20&y;;;;true"},
		{
			name: "headers in Kong's order",
			config: c{"remove": c{"headers": list("X-T-Gone")}, "rename": c{"headers": list("X-T-Old:X-T-New")},
				"replace": c{"headers": list("X-T-New:n", "X-T-None:n")}, "add": c{"headers": list("X-T-Old:o", "X-T-Has:n",
					"X-T-Url:http://a:1")}, "append": c{"headers": list("X-T-Has:more")}},
			request: request{target: "/", header: []string{"X-T-Gone:1", "X-T-Gone:2", "X-T-Old:1", "X-T-Old:2", "X-T-Has:1"}},
			want:    "GET /;;X-T-Has=1|more,X-T-New=n,X-T-Old=o,X-T-Url=http://a:1;;true",
		},
		{name: "host", config: c{"replace": c{"headers": list("host:other.test:81")}}, request: request{target: "/"},
			want: "GET /;other.test:81;;;true"},
		{name: "a field of the gateway", config: c{"replace": c{"headers": list("X-Forwarded-Host:replaced")}},
			request: request{target: "/"}, want: "GET /;;X-Forwarded-Host=replaced;;true"},
		{name: "cookies", config: c{"replace": c{"headers": list("Cookie:a=b")}},
			request: request{target: "/", header: []string{"Cookie:c=d; e=f"}}, want: "GET /;;Cookie=a=b;;true"},
		{
			name: "query",
			config: c{"remove": c{"querystring": list("gone")}, "rename": c{"querystring": list("old:new", "none:kept")},
				"replace": c{"querystring": list("re:a b", "none:n")}, "add": c{"querystring": list("has:n", "add:&")},
				"append": c{"querystring": list("has:2")}},
			request: request{target: "/p?kept=%7e&gone=1&%67one&old=1&re=1&re=2&new=0&has=1"},
			want:    "GET /p?kept=%7e&new=1&re=a%20b&has=1&add=%26&has=2;;;;true",
		},
		{name: "the last of the query", config: c{"remove": c{"querystring": list("a")}}, request: request{target: "/p?a=1"},
			want: "GET /p;;;;true"},
		{name: "path", config: c{"replace": c{"uri": "/new/p"}}, request: request{target: "/old?q=1"}, want: "GET /new/p?q=1;;;;true"},
		{
			name: "templates see the request as it came",
			config: c{"replace": c{"uri": "/t/$(headers.x_t_id)/$(query_params.q or 'none')"},
				"remove": c{"headers": list("X-T-Id"), "querystring": list("q")},
				"add": c{"headers": list("X-T-Was:$(headers[\"X-T-Id\"])-$(headers.nothing)", "X-T-Or:$(headers.nothing or \"d\")"),
					"querystring": list("id:$(headers.x_t_id)")}},
			request: request{target: "/?q=1", header: []string{"X-T-Id:a/b c"}},
			want:    "GET /t/a%2Fb%20c/1?id=a%2Fb%20c;;X-T-Or=d,X-T-Was=a/b c-;;true",
		},
		{name: "a path that leads out", config: c{"replace": c{"uri": "/t/$(headers.x_t_id)"}},
			request: request{target: "/", header: []string{"X-T-Id:../admin"}}, want: `400 {"message":"Bad request"}`},
		{name: "one that leads out when decoded twice", config: c{"replace": c{"uri": "/t/$(headers.x_t_id)"}},
			request: request{target: "/", header: []string{"X-T-Id:%2e%2e/admin"}}, want: `400 {"message":"Bad request"}`},
		{name: "a field with a line break", config: c{"add": c{"headers": list("X-T-Q:$(query_params.q)")}},
			request: request{target: "/?q=a%0d%0aX-T-Evil:1"}, want: `400 {"message":"Bad request"}`},
		{name: "a host that is none", config: c{"replace": c{"headers": list("Host:$(query_params.q)")}},
			request: request{target: "/?q=a/b"}, want: `400 {"message":"Bad request"}`},
		{name: "method", config: c{"http_method": "PUT"}, request: request{target: "/", method: post, body: "b"}, want: "PUT /;;;b;true"},
		{name: "a form becomes query", config: c{"http_method": "GET"}, request: request{target: "/?a=0", method: post, body: "a=1&b=%20",
			header: []string{form}}, want: "GET /?a=0&a=1&b=%20;;;a=1&b=%20;true"},
		{
			name: "a form",
			config: c{"remove": c{"body": list("gone")}, "rename": c{"body": list("old:new")}, "replace": c{"body": list("re:2")},
				"add": c{"body": list("add:1")}, "append": c{"body": list("re:3")}},
			request: request{target: "/", method: post, header: []string{form}, body: "gone=1&old=%7e&re=1&kept=+"},
			want:    "POST /;;;new=%7e&re=2&kept=+&add=1&re=3;true",
		},
		{
			name: "JSON",
			config: c{"remove": c{"body": list("gone")}, "rename": c{"body": list("old:new", "none:n")},
				"replace": c{"body": list("re:\"", "none:n")}, "add": c{"body": list("a.b:http://x", "has:n")},
				"append": c{"body": list("s:2", "l:2", "n:2", "none:1", "o:1")}},
			request: request{target: "/", method: post, header: []string{js},
				body: ` {"gone": 1, "old": {"x":[ 1.50e400 ]}, "re":null, "has":false, "s":"1", "l":[1], "n":1, "o":{}, "gone":2} `},
			want: `POST /;;;{"new":{"x":[ 1.50e400 ]},"re":"\"","has":false,"s":["1","2"],` +
				`"l":[1,"2"],"n":["2"],"o":{},"a.b":"http://x","none":["1"]};true`,
		},
		{name: "no JSON at all", config: c{"add": c{"body": list("a:1")}}, request: request{target: "/", method: post, header: []string{js},
			body: `{"a"`}, want: `POST /;;;{"a";true`},
		{name: "a JSON list", config: c{"add": c{"body": list("a:1")}}, request: request{target: "/", method: post, header: []string{js},
			body: `[1]`}, want: `POST /;;;[1];true`},
		{name: "no body", config: c{"add": c{"body": list("a:1")}}, request: request{target: "/", method: post, header: []string{js}},
			want: `POST /;;;{"a":"1"};true`},
		{name: "another kind of body", config: c{"add": c{"body": list("a:1")}},
			request: request{target: "/", method: post, header: []string{"Content-Type:text/plain"}, body: "t"}, want: `POST /;;;t;true`},
		{name: "a coded body", config: c{"add": c{"body": list("a:1")}}, request: request{target: "/", method: post,
			header: []string{js, "Content-Encoding:gzip"}, body: "{\x1f\x8b}"}, want: "POST /;;;{\x1f\x8b};true"},
		{name: "a body beyond the bound", config: c{"add": c{"body": list("a:1")}},
			request: request{target: "/", method: post, header: []string{js}, body: `{"x":"` + strings.Repeat("x", maxBody) + `"}`},
			want:    `413 {"message":"Request size limit exceeded"}`},
		{
			name: "multipart",
			config: c{"remove": c{"body": list("gone")}, "rename": c{"body": list("old:new")}, "replace": c{"body": list("re:2")},
				"add": c{"body": list("add:1")}},
			request: request{target: "/", method: post, header: []string{multi},
				body: part("gone", "1") + part("old", "o") + part("re", "1") + part("kept", "k") + "--B--\r\n"},
			want: "POST /;;;" + part("new", "o") + part("re", "2") + part("kept", "k") + part("add", "1") + "--B--\r\n;true",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := plugintest.Start(t, maxBody, http.HandlerFunc(echo), []plugin.Definition{Definition()},
				entity.Record{"name": "request-transformer", "config": tt.config})
			res, got := send(t, g, tt.request)
			if res.StatusCode != http.StatusOK {
				got = fmt.Sprintf("%d %s", res.StatusCode, got)
			}
			if got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestHeadForGet: the client's framing is that of its own method.
func TestAnotherMethodKeepsTheClientsFraming(t *testing.T) {
	for _, tt := range []struct{ client, upstream, body string }{
		{client: "GET", upstream: "HEAD"},
		{client: "HEAD", upstream: "GET"},
		{client: "HEAD", upstream: "POST"},
		{client: "POST", upstream: "GET", body: "GET /;;;;true"},
	} {
		g := plugintest.Start(t, maxBody, http.HandlerFunc(echo), []plugin.Definition{Definition()},
			entity.Record{"name": "request-transformer", "config": c{"http_method": tt.upstream}})
		for range 2 { // on the same connection
			res, got := send(t, g, request{method: tt.client, target: "/"})
			if seen := res.Header.Get("X-Seen"); got != tt.body || seen != tt.upstream+" /" {
				t.Errorf("%s as %s: the upstream saw %s, the client got %q", tt.client, tt.upstream, seen, got)
			}
		}
	}
}

func TestRoutesGroupsArePartOfThePath(t *testing.T) {
	p, err := newPlugin(&entity.Plugin{Name: "request-transformer",
		Config: c{"replace": c{"uri": "/u/$(uri_captures.id)/$(uri_captures[2])"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"a": "/u/a/two", "a b": "/u/a%20b/two", "..": "", "x%2F..%2F..": ""} {
		x := newExchange()
		x.Capture = func(group string) string { return map[string]string{"id": id, "2": "two"}[group] }
		if answered := p.(plugin.AccessPhase).Access(x); answered != (want == "") || x.Rewrite.Path != want {
			t.Errorf("%q: %q, answered %t", id, x.Rewrite.Path, answered)
		}
	}
}

// TestCacheTellsRewrittenRequestsApart: two clients whose requests become two
// others at the upstream must not get one another's answer.
func TestCacheTellsRewrittenRequestsApart(t *testing.T) {
	for name, config := range map[string]c{
		"path": {"replace": c{"uri": "/t/$(headers.x_t_id)"}},
		"host": {"replace": c{"headers": list("Host:$(headers.x_t_id)")}},
	} {
		g := plugintest.Start(t, maxBody, http.HandlerFunc(echo),
			[]plugin.Definition{Definition(), proxycache.Definition(), keyauth.Definition()},
			entity.Record{"name": "request-transformer", "config": config},
			entity.Record{"name": "proxy-cache", "config": c{"strategy": "memory", "content_type": list("text/plain; charset=utf-8")}})
		for i, id := range []string{"alice", "bob", "alice", "bob"} {
			res, got := send(t, g, request{target: "/", header: []string{"X-T-Id:" + id}})
			if status := res.Header.Get("X-Cache-Status"); strings.Count(got, id) != 2 || (i > 1) != (status == "Hit") {
				t.Errorf("%s: %s got %s (%s)", name, id, got, status)
			}
		}
	}
}

// TestCacheTellsApartWhatWasMoved: what the cache's key has, or the cache goes by,
// must not be lost to it because the upstream gets it in another field.
func TestCacheTellsApartWhatWasMoved(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, r.Header.Get("X-T-Id"))
	})
	for _, tt := range []struct {
		config c
		target string
		header string
	}{
		{c{"rename": c{"headers": list("authorization:X-T-Id")}}, "/", "Authorization:"},
		{c{"remove": c{"headers": list("Authorization")}, "add": c{"headers": list("X-T-Id:$(headers.authorization)")}}, "/", "Authorization:"},
		{c{"remove": c{"querystring": list("token")}, "add": c{"headers": list("X-T-Id:$(query_params.token)")}}, "/?token=", "X-T-None:"},
	} {
		for _, follow := range []bool{false, true} {
			g := plugintest.Start(t, maxBody, origin, []plugin.Definition{Definition(), proxycache.Definition()},
				entity.Record{"name": "request-transformer", "config": tt.config},
				entity.Record{"name": "proxy-cache", "config": c{"strategy": "memory", "cache_control": follow, "store_private": !follow}})
			for i, id := range []string{"alice", "bob", "alice"} {
				ask := request{target: tt.target, header: []string{tt.header + id}}
				if tt.target != "/" {
					ask.target += id
				}
				res, got := send(t, g, ask)
				stored := i == 2 && (!follow || tt.target != "/")
				if got != id || stored != (res.Header.Get("X-Cache-Status") == "Hit") {
					t.Errorf("%v, Cache-Control followed %t: %s got %s (%s)", tt.config, follow, id, got, res.Header.Get("X-Cache-Status"))
				}
			}
		}
	}
}

// TestAValueIsOnePart: a value of the client's cannot bring a part with it that the
// configuration removes.
func TestAValueIsOnePart(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.FormValue("note"), r.PostFormValue("admin"), r.MultipartForm.Value)
	})
	g := plugintest.Start(t, maxBody, origin, []plugin.Definition{Definition()}, c{"name": "request-transformer", "config": c{
		"remove": c{"body": list("admin")}, "add": c{"body": list("note:$(query_params.note)")},
	}})
	const body = "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--B--\r\n"
	for note, want := range map[string]int{
		"a--B%0D%0A": 200, "--B": 400,
		"a%0D%0A--B%0D%0AContent-Disposition:%20form-data;%20name=%22admin%22%0D%0A%0D%0A1": 400,
	} {
		r := request{
			method: http.MethodPost, target: "/?note=" + note, body: body, header: []string{"Content-Type:multipart/form-data; boundary=B"},
		}
		if res, got := send(t, g, r); res.StatusCode != want || strings.Contains(got, "admin") {
			t.Errorf("%s: %d %s, want %d", note, res.StatusCode, got, want)
		}
	}
}

// TestWhatIsSaidOfABodyHidesNothing: an upstream that does not look at the whole of
// Content-Type, or at Content-Encoding, must not see what is removed.
func TestWhatIsSaidOfABodyHidesNothing(t *testing.T) {
	g := plugintest.Start(t, maxBody, http.HandlerFunc(echo), []plugin.Definition{Definition()}, c{"name": "request-transformer", "config": c{
		"remove": c{"body": list("admin")},
	}})
	const js, form = "Content-Type:application/json", "Content-Type:application/x-www-form-urlencoded"
	for _, tt := range []struct {
		header []string
		body   string
		want   string
	}{
		{[]string{js + "; a=1; a=2"}, `{"admin":1}`, "{}"},
		{[]string{js + ", text/plain"}, `{"admin":1}`, "{}"},
		{[]string{js + `; charset="`}, `{"admin":1}`, "{}"},
		{[]string{js, "Content-Encoding:gzip"}, `{"admin":1}`, "{}"},
		{[]string{js, "Content-Encoding:gzip"}, "{\"admin\":1,\"x\":\"\xff\"}", "{\"x\":\"\xff\"}"},
		{[]string{js, "Content-Encoding:identity, identity"}, `{"admin":1}`, "{}"},
		{[]string{form + "; a=1; a=2", "Content-Encoding:br"}, "a=1&admin=1", "a=1"},
		{[]string{form, "Content-Encoding:gzip"}, "\x1f\x8b&admin=1", "\x1f\x8b&admin=1"},
	} {
		r := request{method: http.MethodPost, target: "/", body: tt.body, header: tt.header}
		if _, got := send(t, g, r); got != "POST /;;;"+tt.want+";true" {
			t.Errorf("%v %q: %q", tt.header, tt.body, got)
		}
	}
}
