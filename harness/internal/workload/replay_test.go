package workload_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/load/engine"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/workload"
)

// recorder is a server that remembers the requests it received, as show has them.
type recorder struct {
	mu       sync.Mutex
	received map[string]int
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	got := scenario.Request{Method: r.Method, Path: r.RequestURI, Body: string(body), Headers: map[string]string{}}
	for name, values := range r.Header {
		switch name {
		case "User-Agent", "Content-Length": // the load generator's own
		default:
			got.Headers[name] = strings.Join(values, ", ")
		}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.received[show(got)]++
}

// Of each format, the scenario is read as harness run reads it, and the load generator sends its requests to a server: it receives what
// was written down by hand and nothing else.
func TestAServerReceivesTheRequests(t *testing.T) {
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			t.Parallel()
			text, err := s.read(t).Scenario("imported", false)
			if err != nil {
				t.Fatal(err)
			}
			received := replay(t, text)
			var want []string
			for _, r := range s.want {
				pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(r), `\{id\}`, "[1-9][0-9]*") + "$"
				n := 0
				for got := range received {
					if regexp.MustCompile(pattern).MatchString(got) {
						n++
						delete(received, got)
					}
				}
				if n == 0 {
					want = append(want, r)
				}
			}
			if len(want) > 0 || len(received) > 0 {
				t.Errorf("not received: %q\nreceived, and not expected: %v", want, received)
			}
		})
	}
}

// replay sends the requests of a scenario's first stage to a recorder.
func replay(t *testing.T, text []byte) map[string]int {
	t.Helper()
	parsed, err := scenario.Parse("imported.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	stages, err := parsed.Plan("smoke", "baseline")
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{received: map[string]int{}}
	server := httptest.NewServer(rec)
	defer server.Close()
	worker := engine.NewWorker(nil)
	defer worker.Close()
	api := httptest.NewServer(worker.Handler())
	defer api.Close()
	client := load.NewClient(api.URL)
	defer client.Close()
	a := load.Attack{
		Model: load.Open, Target: server.URL, Seed: stages[0].Seed, Rate: 200, Connections: 4,
		Duration: 400 * time.Millisecond, Timeout: 10 * time.Second,
	}
	for _, q := range stages[0].Workload.Requests {
		a.Requests = append(a.Requests, load.Request{
			Name: q.Name, Method: q.Method, Path: q.Path, Body: q.Body, Header: q.Headers, Weight: q.Weight,
			IDs: q.IDs, Zipf: q.Zipf, Expect: q.Expect,
		})
	}
	result, err := client.Run(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Failed > 0 || len(rec.received) == 0 {
		t.Errorf("%d requests failed, %d different ones were received", result.Failed, len(rec.received))
	}
	return rec.received
}

// With several values for each id, the popularity is kept.
func TestPopularityIsKept(t *testing.T) {
	var b strings.Builder
	line := func(id string, n int) {
		for range n {
			b.WriteString(`192.0.2.1 - - [02/Jan/2026:15:04:05 +0000] "GET /a/` + id + ` HTTP/1.1" 200 1` + "\n")
		}
	}
	for id := range 200 {
		line(strings.Repeat("1", id%9+1)+strings.Repeat("2", id/9), 2000/(id+1)) // popularity falls with 1/rank
	}
	rng := rand.New(rand.NewPCG(1, 2))
	i := read(t, b.String(), workload.Options{})
	if r := i.Requests[0]; len(i.Requests) != 1 || r.IDs != 200 || r.Zipf < 0.9 || r.Zipf > 1.1 {
		t.Errorf("%+v, want 200 ids with an exponent of 1", i.Requests)
	}
	b.Reset()
	for range 1200 { // six for each id, more or less
		id := rng.IntN(200)
		line(strings.Repeat("1", id%9+1)+strings.Repeat("2", id/9), 1)
	}
	if r := read(t, b.String(), workload.Options{}).Requests[0]; r.IDs < 195 || r.Zipf != 0 {
		t.Errorf("%+v, want equally popular ids", r)
	}
}

// Texts of which there are too many become one request, so that their share of the traffic is kept; what is left out after that is rare.
func TestManyTextsBecomeOneRequest(t *testing.T) {
	var b strings.Builder
	line := func(path string) {
		b.WriteString(`192.0.2.1 - - [02/Jan/2026:15:04:05 +0000] "GET ` + path + ` HTTP/1.1" 200 1` + "\n")
	}
	for n := range 30 {
		line("/search?q=" + strings.Repeat("w", n+1))
		line("/blog/" + strings.Repeat("title-", n+1) + "/")
		line("/static/logo.png")
	}
	line("/a")
	o := workload.Options{MaxRequests: 3}
	i := read(t, b.String(), o)
	expect(t, i, "GET /search?q={id}", "GET /blog/{id}/", "GET /static/logo.png")
	if i.Requests[0].IDs != 30 || i.Requests[0].Weight != 30 || i.Counts.Read-i.Counts.Kept != 1 {
		t.Errorf("%+v, %+v", i.Requests, i.Counts)
	}
	o.KeepIDs = true
	if i := read(t, b.String(), o); len(i.Requests) != 3 || i.Counts.Read-i.Counts.Kept != 59 {
		t.Errorf("%+v", i.Counts)
	}
	expect(t, read(t, `- - - [02/Jan/2026:15:04:05 +0000] "GET /\xC3\xA4\"b HTTP/1.1" 200 1`, workload.Options{}), "GET /%C3%A4%22b")
}

// A scenario has room for a megabyte: what is beyond it is counted, and what is left is a scenario.
func TestMoreThanAScenarioHolds(t *testing.T) {
	var b strings.Builder
	for n := range 40 {
		b.WriteString("curl http://a.example/ -d '" + strings.Repeat("\"", 30_000) + strings.Repeat("x", n) + "'\n")
	}
	i := read(t, b.String(), workload.Options{})
	if n := i.Counts.LeftOut["beyond the 900 KiB that all requests of a scenario may take"]; n == 0 || n == 40 {
		t.Errorf("%v", i.Counts)
	}
	if _, err := i.Scenario("large", false); err != nil {
		t.Error(err)
	}
}

// Only the most frequent requests are kept; the others are counted.
func TestMaxRequests(t *testing.T) {
	i := read(t, "GET /a\n\nGET /b\n\nGET /b\n\nGET /c\n", workload.Options{Format: workload.FormatVegeta, MaxRequests: 2})
	if got := shows(i); !slices.Equal(got, []string{"GET /b", "GET /a"}) || i.Counts.Read-i.Counts.Kept != 1 {
		t.Errorf("%q, %+v", got, i.Counts)
	}
}
