package collector_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/collector"
	"github.com/gatelab/gatelab/harness/internal/otlp"
)

// open is a collector that listens.
func open(t *testing.T, traces int) string {
	t.Helper()
	h, err := collector.Handler(collector.Config{Listen: "127.0.0.1:0", Traces: traces})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func get(t *testing.T, url string, out any) int {
	t.Helper()
	res, err := http.Get(url) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode
}

// trace is a trace from a worker to an origin; its spans are changed before they are sent.
type trace struct {
	worker, gateway, access, balancer, origin *otlp.Span
}

var began = time.Unix(1_700_000_000, 0)

func newTrace() (t trace) {
	id := otlp.NewContext().Trace
	span := func(service, name string, kind otlp.Kind, parent *otlp.Span, from, to time.Duration) *otlp.Span {
		s := &otlp.Span{
			Trace: id, ID: otlp.NewSpanID(), Service: service, Name: name, Kind: kind, Start: began.Add(from), End: began.Add(to),
		}
		if parent != nil {
			s.Parent = parent.ID
		}
		return s
	}
	const ms = time.Millisecond
	t.worker = span("worker", "GET", otlp.Client, nil, 0, 20*ms)
	t.gateway = span("gateway", "kong", otlp.Server, t.worker, 2*ms, 25*ms) // it logs when the worker has the response
	t.access = span("gateway", "kong.access", otlp.Internal, t.gateway, 2*ms, 3*ms)
	t.balancer = span("gateway", "kong.balancer", otlp.Client, t.gateway, 3*ms, 18*ms)
	t.origin = span("origin", "GET", otlp.Server, t.gateway, 5*ms, 15*ms)
	t.worker.Status, t.balancer.Status = 200, 200
	return t
}

func (t trace) send(tt *testing.T, url string, but ...*otlp.Span) {
	tt.Helper()
	for _, s := range []*otlp.Span{t.origin, t.balancer, t.access, t.gateway, t.worker} { // in no helpful order
		if slices.Contains(but, s) {
			continue
		}
		if err := otlp.Send(tt.Context(), url+otlp.TracesPath, s.Service, []otlp.Span{*s}); err != nil {
			tt.Fatal(err)
		}
	}
}

func TestWholeTraces(t *testing.T) {
	url := open(t, 10)
	newTrace().send(t, url)
	cached := newTrace() // answered by the gateway, and begun by it
	cached.gateway.Parent = otlp.SpanID{}
	cached.send(t, url, cached.worker, cached.balancer, cached.origin)
	refused := newTrace() // no target could be reached
	refused.balancer.Status, refused.balancer.Failed = 0, true
	refused.send(t, url, refused.origin)
	edge := newTrace() // answered before a gateway was asked
	edge.worker.Status = 0
	edge.send(t, url, edge.gateway, edge.access, edge.balancer, edge.origin)

	var s collector.Summary
	get(t, url+"/summary", &s)
	if s.Traces != 4 || s.Whole != 4 || s.Spans != 12 || len(s.Faults) != 0 || s.Clients != 3 || s.Servers != 1 || s.QuietMS < 0 {
		t.Errorf("%+v", s)
	}
	for path, n := range map[string]uint64{"worker > gateway > origin": 1, "gateway": 1, "worker > gateway": 1, "worker": 1} {
		if s.Paths[path] != n {
			t.Errorf("%d traces by %s, want %d", s.Paths[path], path, n)
		}
	}
	if s.Services["gateway"] != 8 || s.Services["origin"] != 1 {
		t.Errorf("services %v", s.Services)
	}
}

// Each row breaks exactly one thing, and exactly that is found.
func TestBrokenTraces(t *testing.T) {
	for _, row := range []struct {
		name   string
		spoil  func(*trace) (unsent *otlp.Span)
		faults string
		detail string
	}{
		{"a parent is lost", func(t *trace) *otlp.Span { return t.gateway }, collector.MissingParent + ", " + collector.NotContinued,
			"of origin: its parent "},
		{"the client is lost", func(t *trace) *otlp.Span { return t.worker }, collector.NoRoot + ", " + collector.MissingParent,
			"was not received"},
		{"the gateway begins a second root", func(t *trace) *otlp.Span { t.gateway.Parent = otlp.SpanID{}; return nil },
			collector.SeveralRoots + ", " + collector.NotContinued, "it has no parent, as "},
		{"the gateway begins another trace", func(t *trace) *otlp.Span {
			other := otlp.NewContext().Trace
			for _, s := range []*otlp.Span{t.gateway, t.access, t.balancer, t.origin} {
				s.Trace = other
			}
			t.gateway.Parent = otlp.SpanID{}
			return nil
		}, collector.NotContinued, "GET of worker: it had a response with the status 200"},
		{"the origin is told another trace", func(t *trace) *otlp.Span { t.origin.Trace = otlp.NewContext().Trace; return nil },
			collector.ForeignParent + ", " + collector.NoRoot + ", " + collector.NotContinued, "is in the trace "},
		{"the origin is told nothing", func(t *trace) *otlp.Span { return t.origin }, collector.NotContinued,
			"kong.balancer of gateway: it had a response with the status 200"},
		{"a phase ends after its request", func(t *trace) *otlp.Span { t.access.End = t.gateway.End.Add(2 * time.Millisecond); return nil },
			collector.Outside, "kong.access of gateway: ends 2ms after kong of gateway"},
		{"a phase begins before its request", func(t *trace) *otlp.Span {
			t.access.Start = t.gateway.Start.Add(-3 * time.Millisecond)
			return nil
		}, collector.Outside, "begins 3ms before kong of gateway"},
		{"the origin is asked before the gateway", func(t *trace) *otlp.Span {
			t.origin.Start = t.gateway.Start.Add(-time.Second)
			return nil
		}, collector.Outside, "GET of origin: begins 1s before kong of gateway"},
		{"the origin is asked after the gateway's response", func(t *trace) *otlp.Span {
			t.origin.Start = t.gateway.End.Add(20 * time.Millisecond)
			t.origin.End = t.origin.Start
			return nil
		}, collector.Outside, "GET of origin: begins 20ms after the end of kong of gateway"},
		{"a span ends before it begins", func(t *trace) *otlp.Span { t.origin.End = t.origin.Start.Add(-time.Millisecond); return nil },
			collector.Backwards, "by 1ms"},
		{"a service has no name", func(t *trace) *otlp.Span { t.origin.Service = ""; return nil }, collector.Unnamed, "want the resource's"},
		{"an id is used twice", func(t *trace) *otlp.Span { t.access.ID = t.origin.ID; return nil }, collector.Duplicate, "that of another one"},
		{"two spans are each other's parents", func(t *trace) *otlp.Span {
			t.access.Parent = t.balancer.ID
			t.balancer.Parent = t.access.ID
			t.balancer.Start = t.access.Start
			t.balancer.End = t.access.End
			t.balancer.Status = 0
			return nil
		}, collector.Cycle, "it is above itself"},
	} {
		t.Run(row.name, func(t *testing.T) {
			url := open(t, 10)
			one := newTrace()
			unsent := row.spoil(&one)
			one.send(t, url, unsent)
			var s collector.Summary
			get(t, url+"/summary", &s)
			var found []string
			said := ""
			for fault := range s.Faults {
				found = append(found, fault)
			}
			for _, e := range s.Examples {
				said += e.Fault + ": " + e.Detail + "\n"
			}
			want := strings.Split(row.faults, ", ")
			slices.Sort(want)
			slices.Sort(found)
			if !slices.Equal(found, want) || !strings.Contains(said, row.detail) || s.Whole+1 > s.Traces {
				t.Errorf("found %q in %d traces, %d whole, want %q; said:\n%s", found, s.Traces, s.Whole, want, said)
			}
		})
	}
}

func TestATraceCanBeLookedAt(t *testing.T) {
	url := open(t, 10)
	one := newTrace()
	one.send(t, url)
	var spans []collector.SpanView
	if status := get(t, url+"/traces/"+one.origin.Trace.String(), &spans); status != http.StatusOK || len(spans) != 5 ||
		spans[0].Service != "origin" || spans[0].Parent != one.gateway.ID.String() || spans[0].MS != 10 {
		t.Errorf("status %d, %+v", status, spans)
	}
	for id, want := range map[string]int{otlp.NewContext().Trace.String(): http.StatusNotFound, "x": http.StatusBadRequest} {
		if status := get(t, url+"/traces/"+id, &spans); status != want {
			t.Errorf("%s: status %d, want %d", id, status, want)
		}
	}
}

// What is beyond the limit is counted, and a trace that is kept is kept whole.
func TestLimitAndReset(t *testing.T) {
	url := open(t, 1)
	first, second := newTrace(), newTrace()
	one := func(of trace, s *otlp.Span) { of.send(t, url, without(of, s)...) }
	one(first, first.worker)
	second.send(t, url)
	first.send(t, url, first.worker)
	var s collector.Summary
	get(t, url+"/summary", &s)
	if s.Traces != 1 || s.Whole != 1 || s.Spans != 5 || s.Dropped != 5 {
		t.Errorf("%+v", s)
	}
	res, err := http.Post(url+"/reset", "", nil) //nolint:noctx // loopback
	if err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatalf("%v, %v", res, err)
	}
	res.Body.Close()
	s = collector.Summary{}
	if get(t, url+"/summary", &s); s.Traces+s.Spans+s.Dropped != 0 || s.QuietMS != -1 {
		t.Errorf("after a reset: %+v", s)
	}
}

// without are all spans of a trace but one.
func without(t trace, one *otlp.Span) (rest []*otlp.Span) {
	for _, s := range []*otlp.Span{t.worker, t.gateway, t.access, t.balancer, t.origin} {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

func TestExportsThatCannotBeRead(t *testing.T) {
	url := open(t, 1)
	one := newTrace()
	body, err := otlp.Encode("s", []otlp.Span{*one.worker})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(body)
	z.Close()
	for _, row := range []struct {
		kind, coding, said string
		body               []byte
		status             int
	}{
		{otlp.ContentType, "gzip", "", packed.Bytes(), 200},
		{otlp.ContentType, "gzip", "body: gzip: ", body, 400},
		{otlp.ContentType, "br", `content-encoding: "br" is not allowed: want gzip or none`, body, 415},
		{"application/json", "", `content-type: "application/json" is not allowed: want application/x-protobuf`, []byte("{}"), 415},
		{otlp.ContentType, "", "body: ExportTraceServiceRequest: ", []byte("{}"), 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+otlp.TracesPath, bytes.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", row.kind)
		req.Header.Set("Content-Encoding", row.coding)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != row.status || !strings.Contains(string(said), row.said) {
			t.Errorf("%s %s: status %d, %q, want %d with %q", row.kind, row.coding, res.StatusCode, said, row.status, row.said)
		}
	}
	var s collector.Summary
	if get(t, url+"/summary", &s); s.Refused != 4 || s.Spans != 1 {
		t.Errorf("%+v", s)
	}
}

func TestServeUntilTheContextEnds(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = collector.Serve(ctx, collector.Config{Listen: addr, Traces: 1})
	if err == nil || !strings.Contains(err.Error(), "collector: listen: ") {
		t.Errorf("on an address in use: %v", err)
	}
	l.Close()
	done := make(chan error, 1)
	go func() { done <- collector.Serve(ctx, collector.Config{Listen: addr, Traces: 1}) }()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
	if err := (collector.Config{Traces: 0}).Validate(); err == nil || err.Error() != "traces: 0 is not allowed: want 1 to 10000000" {
		t.Error(err)
	}
}
