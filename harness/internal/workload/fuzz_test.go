package workload_test

import (
	"os"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/workload"
)

// fuzz reads anything as a format: whatever is taken becomes a scenario that is read back with the same requests, and the counts add up.
func fuzz(f *testing.F, o workload.Options, seeds ...string) {
	for _, s := range samples {
		if s.format != o.Format {
			continue
		}
		b, err := os.ReadFile("testdata/" + s.file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, keep := range []bool{false, true} {
			o.KeepSecrets, o.KeepIDs = keep, keep
			o.MaxRequests = 2
			if keep {
				o.MaxRequests = workload.MostRequests
			}
			i, err := workload.Read(b, o)
			if err != nil {
				continue
			}
			left := 0
			for _, n := range i.Counts.LeftOut {
				left += n
			}
			if i.Counts.Read != i.Counts.Kept+left || i.Counts.Kept == 0 {
				t.Errorf("counts do not add up: %+v", i.Counts)
			}
			if _, err := i.Scenario("fuzzed", false); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzVegeta(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatVegeta}, "GET /{id}/1\n\nGET /{id}/2\n", "GET /a\nA: \xff\nB:")
}

func FuzzVegetaJSON(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatVegetaJSON}, `{"method":"PUT","url":"//a","body":"AAEC"}`)
}

func FuzzHAR(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatHAR},
		`{"log":{"entries":[{"request":{"method":"GET","url":"http://u:p@h/#f","postData":{"text":"\u2028{id}"}}}]}}`)
}

func FuzzOpenAPI(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatOpenAPI},
		"openapi: 3.0.0\ninfo: {title: a, version: b}\npaths: {'/{a}/{b}': {get: {responses: {}}}}\n",
		`{"openapi":"3.0.0","info":{"title":"a","version":"1"},"paths":{"/":{"post":{"responses":{},"requestBody":{"content":{"a/json":`+
			`{"schema":{"$ref":"#/components/schemas/A"}}}}}}},`+
			`"components":{"schemas":{"A":{"properties":{"a":{"$ref":"#/components/schemas/A"}}}}}}`)
}

func FuzzKong(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatKong}, `{"started_at":1e300,"request":{"method":"GET","uri":"a:b"}}`)
}

func FuzzCombined(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatCombined}, `- - - [00/Foo/0000:00:00:00 +0000] "GET  HTTP/1.1" 000 -`)
}

func FuzzCaddy(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatCaddy}, `{"ts":"2026-01-02T15:04:05Z","request":{"method":"GET","uri":"/?=1&1=2"}}`)
}

func FuzzCurl(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatCurl}, "curl a{b,c} -d@ -u: -b", "curl -XGET $'\\x00' ~ *", "curl -- -d")
}

func FuzzCSV(f *testing.F) {
	fuzz(f, workload.Options{Format: workload.FormatCSV, Template: `PUT /{a}?b={b} {"b":"{b}"}`}, "a,b\n1,\"\n\"\n", "a\n", "b,a\n{a},{id}\n")
}
