package workload_test

import (
	"cmp"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/workload"
)

var update = flag.Bool("update", false, "write the scenarios that come of testdata anew")

// sample is one file of testdata and what becomes of it, written by hand.
type sample struct {
	file, format string
	o            workload.Options
	want         []string // requests as show has them
	leftOut      int
}

var samples = []sample{
	{file: "vegeta.txt", format: workload.FormatVegeta, leftOut: 1, want: []string{
		"GET /users/{id} Accept=application/json",
		`POST /users Content-Type=application/json {"name":"Ada","password":"left-out"}`,
	}},
	{file: "vegeta.jsonl", format: workload.FormatVegetaJSON, leftOut: 1, want: []string{
		`POST /orders?trace=1 Content-Type=application/json {"sum":7}`,
		"GET /orders",
	}},
	{file: "browser.har", format: workload.FormatHAR, leftOut: 4, want: []string{
		"GET / Accept=text/html",
		`POST /cart?lang=de Content-Type=application/json {"item": 17}`,
		"POST /login Content-Type=application/x-www-form-urlencoded user=ada&password=left-out",
	}},
	{file: "openapi.yaml", format: workload.FormatOpenAPI, leftOut: 1, want: []string{
		`POST /v2/users Content-Type=application/json {"age":18,"friends":[{"close":true,"since":"2026-01-02"}],"mail":"user@example.com",` +
			`"name":"textxx","role":"admin"}`,
		"GET /v2/users/{id}?fields=name X-Trace=123e4567-e89b-42d3-a456-426614174000",
	}},
	{file: "openapi.json", format: workload.FormatOpenAPI, want: []string{
		"PUT /orders/A-17 Content-Type=application/x-www-form-urlencoded note=a+b&sum=5",
	}},
	{file: "kong.jsonl", format: workload.FormatKong, leftOut: 1, want: []string{
		"GET /ai/v1/models/{id}", "POST /ai/v1/chat/completions",
	}},
	{file: "combined.log", format: workload.FormatCombined, leftOut: 2, want: []string{
		"GET /users/{id}?page={id}", "DELETE /users/18",
	}},
	{file: "caddy.jsonl", format: workload.FormatCaddy, leftOut: 1, want: []string{"GET /items?color=red"}},
	{file: "commands.sh", format: workload.FormatCurl, leftOut: 1, want: []string{
		"GET /search?q=a%20b Accept=application/json",
		`PUT /users/7 Accept=application/json Content-Type=application/json {"name":"it's"}`,
		"GET /me",
	}},
	{file: "users.csv", format: workload.FormatCSV, leftOut: 1,
		o: workload.Options{Template: `POST /users/{id} {"name": "{name}", "country": "{country}"}`},
		want: []string{
			`POST /users/1 Content-Type=application/json {"name": "Ada", "country": "GB"}`,
			`POST /users/2 Content-Type=application/json {"name": "Grace, H.", "country": "US"}`,
		}},
}

// read reads a sample.
func (s sample) read(t *testing.T) *workload.Import {
	t.Helper()
	b, err := os.ReadFile("testdata/" + s.file)
	if err != nil {
		t.Fatal(err)
	}
	o := s.o
	o.Files = os.DirFS("testdata")
	return read(t, string(b), o)
}

// Every format is told by its content, and its requests are those that were written down by hand; the scenario, with the counts in its
// head, is compared with the committed one.
func TestFormats(t *testing.T) {
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			i := s.read(t)
			if i.Format != s.format {
				t.Errorf("format %s, want %s", i.Format, s.format)
			}
			expect(t, i, s.want...)
			if got := i.Counts.Read - i.Counts.Kept; got != s.leftOut {
				t.Errorf("%d left out, want %d: %v", got, s.leftOut, i.Counts.LeftOut)
			}
			text, err := i.Scenario("imported", false)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"1815", "Bearer", "sid=1", "abc", "apikey"} {
				if strings.Contains(string(text), secret) {
					t.Errorf("the scenario has the secret %q", secret)
				}
			}
			golden := "testdata/" + s.file + ".yaml"
			if *update {
				if err := os.WriteFile(golden, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != string(want) {
				t.Errorf("the scenario differs from %s (run with -update and look at the difference):\n%s", golden, text)
			}
		})
	}
}

// Formats without a sample would not be tested.
func TestEveryFormatHasASample(t *testing.T) {
	for _, f := range workload.Formats() {
		if !slices.ContainsFunc(samples, func(s sample) bool { return s.format == f }) {
			t.Errorf("no sample of %s", f)
		}
	}
}

func TestSecretsAreKeptOnlyIfAsked(t *testing.T) {
	s := samples[0]
	s.o.KeepSecrets = true
	i := s.read(t)
	slices.SortFunc(i.Requests, func(a, b scenario.Request) int { return cmp.Compare(show(a), show(b)) })
	expect(t, i,
		"GET /users/1 Accept=application/json Authorization=Bearer abcdefgh12345678",
		"GET /users/2 Accept=application/json",
		`POST /users Content-Type=application/json {"name":"Ada","password":"1815"}`)
}

// Input that cannot be read is refused with what is allowed.
func TestRefusals(t *testing.T) {
	for _, row := range []struct {
		source string
		o      workload.Options
		want   string
	}{
		{source: "", want: "the source is empty"},
		{source: "hello", want: `the format cannot be told from "hello": name it with --format, one of caddy, combined, csv`},
		{source: "id,name\n1,a\n", want: "needs --template"},
		{source: "GET /", o: workload.Options{Format: "vegetta"}, want: `unknown format "vegetta" (did you mean "vegeta"?)`},
		{source: "hello", o: workload.Options{Format: "vegeta"}, want: "format vegeta: no target"},
		{source: "GET /", o: workload.Options{Format: "vegeta", Template: "GET /"}, want: "template: is not allowed with the format vegeta"},
		{source: "GET /", o: workload.Options{MaxRequests: 1001}, want: "max-requests: 1001 is not allowed: want 1 to 1000"},
		{source: "id\n1\n", o: workload.Options{Template: "GET"}, want: `template: "GET" is not allowed: want METHOD PATH [BODY]`},
		{source: "id\n1\n", o: workload.Options{Template: "GET /{idd}"}, want: `unknown column "idd" (did you mean "id"?): want one of id`},
		{source: "GET http://a.example/", o: workload.Options{Host: "b.example"}, want: "no request is left of 1: 1 to other hosts"},
		{source: `{"openapi":"3.0.0","info":{"title":"a","version":"1"},"paths":{}}`, want: "paths: is empty"},
		{source: `{"log":{"entries":[]}}`, want: "log.entries: is empty"},
		{source: "curl 'http://a", want: "shell syntax: 1:6"},
		{source: "curl \"http://a/$(id)\"", want: "line 1: variables and substitutions"},
		{source: `{"a":1}`, want: "the format cannot be told"},
	} {
		_, err := workload.Read([]byte(row.source), row.o)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: %v, want %q", row.source, err, row.want)
		}
	}
}
