package mirror

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/requesttermination"
)

var uses = entitytest.Uses{
	"mirror.url":            ".: m.URL",
	"mirror.percentage":     ".: m.Percentage",
	"mirror.methods":        ".: m.Methods",
	"mirror.max_body_bytes": ".: m.MaxBodyBytes",
	"mirror.timeout":        ".: m.Timeout",
	"mirror.queue_entries":  ".: m.QueueEntries",
	"mirror.queue_bytes":    ".: m.QueueBytes",
	"mirror.connections":    ".: m.Connections",
	"mirror.tls_verify":     ".: m.TLSVerify",
	"mirror.header_name":    ".: m.HeaderName",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 3, Config: `{"url":"http://h"}`,
		Refused: map[string]string{
			`{}`:                                   "config.url: required field missing",
			`{"url":"h"}`:                          "config.url: ",
			`{"url":"http://h","percentage":-1}`:   "config.percentage: value should be between 0 and 100",
			`{"url":"http://h","methods":["get"]}`: "config.methods",
			`{"url":"http://h","max_body_bytes":2e6}`: "config.max_body_bytes: value should be between",
			`{"url":"http://h","queue_entries":0}`:    "config.queue_entries: value should be between",
		},
	}.Check(t, Definition())
}

// outcomes are the counters by what became of copies.
func outcomes(t *testing.T, g *plugintest.Gateway) map[string]int {
	t.Helper()
	families, err := g.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, f := range families {
		if f.GetName() != "gateway_mirror_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			out[label(m)] = int(m.GetCounter().GetValue())
		}
	}
	return out
}

func label(m *dto.Metric) string { return m.GetLabel()[0].GetValue() }

// until waits for a counter.
func until(t *testing.T, g *plugintest.Gateway, outcome string, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if outcomes(t, g)[outcome] >= n {
			return
		}
	}
	t.Fatalf("%s: %v, want %d", outcome, outcomes(t, g), n)
}

var origin = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "primary")
})

func start(t *testing.T, config entity.Record, more ...entity.Record) *plugintest.Gateway {
	t.Helper()
	return plugintest.Start(t, 0, origin, []plugin.Definition{Definition(), requesttermination.Definition()},
		append(more, entity.Record{"name": name, "config": config})...)
}

func TestCopies(t *testing.T) {
	copies := make(chan string, 99)
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		copies <- fmt.Sprintf("%s %s %s %s %s %q", r.Method, r.URL, r.Header["X-A"], r.Header["X-Mirrored"], body, r.Header["User-Agent"])
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(second.Close)
	g := start(t, entity.Record{"url": second.URL + "/base/", "methods": []any{"POST", "GET"}})
	for _, tt := range []struct {
		method, target, body string
		header               []string
		want                 string // "": no copy
	}{
		{method: "GET", target: "/a?b=%20", header: []string{"X-A:1", "X-A:2", "User-Agent:u"}, want: `GET /base/a?b=%20 [1 2] [1]  ["u"]`},
		{method: "POST", target: "/", body: "hello", header: []string{"User-Agent:u"}, want: `POST /base/ [] [1] hello ["u"]`},
		{method: "DELETE", target: "/"},
		{method: "POST", target: "/", body: strings.Repeat("x", plugintest.StreamAbove+1)}, // passed on as it came
	} {
		if res, body := g.Send(t, tt.method, tt.target, tt.body, tt.header...); res.StatusCode != 200 || body != "primary" {
			t.Errorf("the client gets %d %s", res.StatusCode, body)
		}
		if tt.want == "" {
			continue
		}
		select {
		case got := <-copies:
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("there is no copy")
		}
	}
	until(t, g, "sent", 2)
	until(t, g, "dropped_body", 1)
	if len(copies) != 0 {
		t.Errorf("a copy more: %s", <-copies)
	}
}

// TestTheClientIsNotDelayed: a target that hangs fills the queue, and what is more is
// dropped.
func TestTheClientIsNotDelayed(t *testing.T) {
	done := make(chan struct{})
	second := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	t.Cleanup(second.Close)
	t.Cleanup(func() { close(done) })
	g := start(t, entity.Record{"url": second.URL, "queue_entries": 2, "connections": 1, "timeout": 60_000})
	for range 10 {
		if res, _ := g.Send(t, http.MethodGet, "/", ""); res.StatusCode != 200 {
			t.Errorf("the client gets %d", res.StatusCode)
		}
	}
	until(t, g, "dropped_full", 7)
}

func TestATargetThatIsAway(t *testing.T) {
	second := httptest.NewServer(origin)
	second.Close()
	g := start(t, entity.Record{"url": second.URL})
	if res, _ := g.Send(t, http.MethodGet, "/", ""); res.StatusCode != 200 {
		t.Errorf("the client gets %d", res.StatusCode)
	}
	until(t, g, "failed", 1)
}

// TestOnlyWhatTheUpstreamWasAsked: what the gateway answers itself is not copied.
func TestOnlyWhatTheUpstreamWasAsked(t *testing.T) {
	second := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a copy") }))
	t.Cleanup(second.Close)
	g := start(t, entity.Record{"url": second.URL}, entity.Record{"name": "request-termination", "config": entity.Record{}})
	g.Send(t, http.MethodGet, "/", "")
	if got := outcomes(t, g); got["sent"]+got["failed"] != 0 {
		t.Error(got)
	}
}

func TestLargeQueuesAreBounded(t *testing.T) {
	s := newSender(target{entries: 100, bytes: 100, connections: 0}, mustCounters(t), nil)
	for range 5 {
		s.add(&request{size: 40})
	}
	if len(s.queue) != 2 || s.held.Load() != 80 {
		t.Errorf("%d copies of %d bytes", len(s.queue), s.held.Load())
	}
}

func mustCounters(t *testing.T) *counts {
	t.Helper()
	c, err := counters(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestManySmallFieldsFillTheQueue: what a copy takes in memory counts, not its text alone.
func TestManySmallFieldsFillTheQueue(t *testing.T) {
	done := make(chan struct{})
	second := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	t.Cleanup(second.Close)
	t.Cleanup(func() { close(done) })
	g := start(t, entity.Record{"url": second.URL, "queue_bytes": 1 << 20, "connections": 1, "timeout": 60_000})
	var fields strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&fields, "%03x:\r\n", i)
	}
	for range 10 { // 6 KB of text each
		got := g.Raw(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+fields.String()+"\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Fatalf("answered %q", got)
		}
	}
	until(t, g, "dropped_full", 5)
}

func TestWebSocketsAreNotCopied(t *testing.T) {
	copies := make(chan string, 9)
	second := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { copies <- r.URL.Path }))
	t.Cleanup(second.Close)
	g := start(t, entity.Record{"url": second.URL})
	const request = "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close%s\r\n\r\n"
	g.Raw(t, fmt.Sprintf(request, "/socket", ", Upgrade\r\nUpgrade: websocket"))
	g.Raw(t, fmt.Sprintf(request, "/page", ""))
	if got := <-copies; got != "/page" {
		t.Errorf("a copy of %s", got)
	}
}
