package origin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/origin"
	"github.com/gatelab/gatelab/harness/internal/otlp"
)

// receiver keeps the spans that it is sent.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []otlp.Span
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		spans, err := otlp.Decode(body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.spans = append(r.spans, spans...)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) seen() []otlp.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans
}

// A sampled request has a span below that of who sent it; others have none, and are counted.
func TestSpansOfSampledRequests(t *testing.T) {
	to := newReceiver(t)
	c := config()
	c.Traces = to.URL + otlp.TracesPath
	_, url, client := serve(t, c)
	sampled, other := otlp.NewContext(), otlp.NewContext()
	other.Sampled = false
	for _, header := range []string{string(sampled.Append(nil)), string(other.Append(nil)), "nonsense", ""} {
		ask(t, client, "GET", url+"/v1/models/501", "", "Traceparent", header)
	}
	await(t, func() bool { return len(to.seen()) > 0 })
	s := to.seen()[0]
	if len(to.seen()) != 1 || s.Trace != sampled.Trace || s.Parent != sampled.Span || s.ID == s.Parent || s.Service != "origin" ||
		s.Name != "GET" || s.Kind != otlp.Server || s.Status != 404 || s.End.Before(s.Start) {
		t.Errorf("spans %+v, sent %+v", to.seen(), sampled)
	}
	var stats origin.Stats
	if err := json.Unmarshal(ask(t, client, "GET", url+"/stats", "").body, &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Traced != 2 || stats.Sampled != 1 || stats.SpansLost != 0 {
		t.Errorf("stats %+v", stats)
	}
}

// What cannot be sent is counted.
func TestLostSpansAreCounted(t *testing.T) {
	c := config()
	c.Traces = "http://127.0.0.1:1" + otlp.TracesPath
	o, url, client := serve(t, c)
	ask(t, client, "GET", url+"/v1/models/1", "", "Traceparent", string(otlp.NewContext().Append(nil)))
	await(t, func() bool { return o.Stats().SpansLost == 1 })
}
