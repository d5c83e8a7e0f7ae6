package workload_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/workload"
)

// read reads a source that must have requests.
func read(t *testing.T, source string, o workload.Options) *workload.Import {
	t.Helper()
	i, err := workload.Read([]byte(source), o)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, n := range i.Counts.LeftOut {
		left += n
	}
	if i.Counts.Read != i.Counts.Kept+left {
		t.Errorf("counts do not add up: %+v", i.Counts)
	}
	return i
}

// show is a request in one line: METHOD path ×weight name [ids zipf] {headers} body.
func show(r scenario.Request) string {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.Path)
	names := make([]string, 0, len(r.Headers))
	for n := range r.Headers {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		b.WriteString(" " + n + "=" + r.Headers[n])
	}
	if r.Body != "" {
		b.WriteString(" " + r.Body)
	}
	return b.String()
}

func shows(i *workload.Import) (out []string) {
	for _, r := range i.Requests {
		out = append(out, show(r))
	}
	return out
}

func expect(t *testing.T, i *workload.Import, want ...string) {
	t.Helper()
	if got := shows(i); !slices.Equal(got, want) {
		t.Errorf("requests:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestVegeta(t *testing.T) {
	source := `# two targets
GET http://api.example/users/1
Accept: application/json
X-Trace: a:b

POST http://api.example/users
Content-Type: application/json
@./user.json

POST http://api.example/users
@missing.json

GET http://api.example/users/2
Accept: application/json
X-Trace: a:b
DELETE http://other.example/x

CONNECT http://api.example/
nonsense
`
	i := read(t, source, workload.Options{Files: fstest.MapFS{"user.json": {Data: []byte(`{"name":"a"}`)}}})
	if i.Format != workload.FormatVegeta || i.Host != "api.example" {
		t.Errorf("format %s, host %s", i.Format, i.Host)
	}
	expect(t, i,
		"GET /users/{id} Accept=application/json X-Trace=a:b",
		`POST /users Content-Type=application/json {"name":"a"}`)
	if i.Requests[0].IDs != 2 || i.Requests[0].Weight != 2 || i.Requests[0].Name != "get-users-id" {
		t.Errorf("%+v", i.Requests[0])
	}
	if c := i.Counts; c.Read != 7 || c.Kept != 3 || c.Merged != 2 || len(c.LeftOut) != 4 {
		t.Errorf("%+v", c)
	}
}

func TestCurl(t *testing.T) {
	source := `$ curl -sS 'https://api.example/a b?q={x}' -H 'Accept: */*' \
  -H "X-A: it's" --compressed
curl -XPOST api.example/form -d a=1 -d 'b=2' -o /dev/null
curl https://api.example/json --json '{"n":"\u00e4"}'
curl -H 'content-type: application/merge-patch+json' -X PATCH https://api.example/json --json '{}' --json '[]'
curl --url https://api.example/raw --data-raw $'@no\'file' -H 'Content-Type: text/plain'
curl -G https://api.example/search -d q=go --data-urlencode 'x=a&b'
curl -sIL https://api.example/head
curl -F file=@a.png https://api.example/upload
curl -u me:secret https://api.example/private
`
	i := read(t, source, workload.Options{})
	expect(t, i,
		"GET /a%20b?q=%7Bx%7D Accept=*/* X-A=it's",
		"POST /form Content-Type=application/x-www-form-urlencoded a=1&b=2",
		`POST /json Accept=application/json Content-Type=application/json {"n":"\u00e4"}`,
		"PATCH /json Accept=application/json Content-Type=application/merge-patch+json {}[]",
		"POST /raw Content-Type=text/plain @no'file",
		"GET /search?q=go&x=a%26b",
		"HEAD /head",
		"GET /private")
	if i.Counts.Read != 9 || i.Counts.Kept != 8 {
		t.Errorf("%+v", i.Counts)
	}
	if kept := read(t, source, workload.Options{KeepSecrets: true}); kept.Requests[7].Headers["Authorization"] != "Basic bWU6c2VjcmV0" {
		t.Errorf("%+v", kept.Requests[7])
	}
	_, err := workload.Read([]byte(`curl "https://api.example/$ID"`), workload.Options{})
	if err == nil || !strings.Contains(err.Error(), "line 1: variables") {
		t.Errorf("a variable: %v", err)
	}
}

func TestCombined(t *testing.T) {
	source := `192.0.2.1 - - [02/Jan/2026:15:04:05 +0000] "GET /users/17?page=2 HTTP/1.1" 200 512 "-" "Mozilla/5.0"
192.0.2.1 - bob [02/Jan/2026:15:04:05 +0000] "GET /users/18?page=3 HTTP/1.1" 200 512 "-" "say \"hi\""
192.0.2.1 - - [02/Jan/2026:15:04:09 +0000] "POST /users HTTP/2.0" 201 - "-" "-" kong_request_id: "abc"
192.0.2.1 - - [02/Jan/2026:15:04:09 +0000] "GET http://elsewhere.example/ HTTP/1.1" 400 0
192.0.2.1 - - [02/Jan/2026:15:04:09 +0000] "\x16\x03\x01" 400 0
nonsense
`
	i := read(t, source, workload.Options{})
	expect(t, i, "GET /users/{id}?page={id}", "POST /users")
	if c := i.Counts; c.Read != 6 || c.Kept != 3 || c.LeftOut["to other hosts"] != 1 || c.LeftOut["not HTTP"] != 1 {
		t.Errorf("%+v", c)
	}
	if a := i.Arrivals; a.Span.Seconds() != 4 || a.Mean != 0.75 || a.Peak != 2 {
		t.Errorf("%+v", a)
	}
	expect(t, read(t, source, workload.Options{KeepIDs: true}), "GET /users/17?page=2", "GET /users/18?page=3", "POST /users")
}

// What a gateway refuses with 400 whatever is behind it would only make the run invalid.
func TestPathsThatServersReadDifferentlyAreLeftOut(t *testing.T) {
	const format = `192.0.2.1 - - [02/Jan/2026:15:04:05 +0000] "GET %s HTTP/1.1" 200 512` + "\n"
	paths := []string{"/../../etc/passwd", "/a/./b", "/a%2Fb", "/a/%2e%2e/b", `/a\b`, "/a%00", "/a%252fb", "/a//b", "/a/..;/b"}
	source := fmt.Sprintf(format, "/fine?next=/a/../b%2Fc")
	for _, p := range paths {
		source += fmt.Sprintf(format, p)
	}
	i := read(t, source, workload.Options{})
	expect(t, i, "GET /fine?next=/a/../b%2Fc")
	left := 0
	for why, n := range i.Counts.LeftOut {
		if strings.HasPrefix(why, "paths that gateways refuse") || strings.HasPrefix(why, "lines") {
			left += n
		}
	}
	if left != len(paths) {
		t.Errorf("%+v: want all of %q left out", i.Counts, paths)
	}
}
