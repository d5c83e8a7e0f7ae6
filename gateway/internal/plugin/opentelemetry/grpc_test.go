package opentelemetry

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// call is what a collector was sent.
type call struct {
	data     *tracepb.TracesData
	metadata metadata.MD
	deadline time.Duration
}

// collector is a server of OTLP made with grpc-go. answers are given one after
// another, then all calls are accepted.
type collector struct {
	address string
	calls   chan call
	answers chan error
	partial []byte // the unknown fields of the next answers
}

func startCollector(t *testing.T, options ...grpc.ServerOption) *collector {
	t.Helper()
	c := &collector{calls: make(chan call, 99), answers: make(chan error, 99)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.address = ln.Addr().String()
	s := grpc.NewServer(options...)
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: c.export}},
	}, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ln)
	}()
	t.Cleanup(func() { s.Stop(); <-done })
	return c
}

//nolint:revive // the order of the parameters is grpc's
func (c *collector) export(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	one := call{data: &tracepb.TracesData{}}
	if err := decode(one.data); err != nil {
		return nil, err
	}
	one.metadata, _ = metadata.FromIncomingContext(ctx)
	if at, ok := ctx.Deadline(); ok {
		one.deadline = time.Until(at)
	}
	c.calls <- one
	select {
	case err := <-c.answers:
		return nil, err
	default:
	}
	answer := &emptypb.Empty{} // an ExportTraceServiceResponse whose fields it does not know
	answer.ProtoReflect().SetUnknown(c.partial)
	return answer, nil
}

func (c *collector) next(t *testing.T) call {
	t.Helper()
	select {
	case one := <-c.calls:
		return one
	case <-time.After(10 * time.Second):
		t.Fatal("the collector was sent nothing")
	}
	return call{}
}

func startGRPC(t *testing.T, endpoint string, more entity.Record) *plugintest.Gateway {
	t.Helper()
	config := entity.Record{
		"endpoint": endpoint, "protocol": "grpc", "sampling_rate": 1, "headers": entity.Record{"X-Key": "k"},
		"queue": entity.Record{"max_batch_size": 2, "max_coalescing_delay": 60, "initial_retry_delay": 0.01, "max_retry_delay": 0.02},
	}
	for k, v := range more {
		config[k] = v
	}
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	return plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": name, "config": config})
}

// certified are a server's credentials, of a certificate that only the server knows.
func certified(t *testing.T) grpc.ServerOption {
	t.Helper()
	own := httptest.NewUnstartedServer(nil)
	own.StartTLS()
	t.Cleanup(own.Close)
	return grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: own.TLS.Certificates, MinVersion: tls.VersionTLS12}))
}

// TestSpansOverGRPC reach a server made with grpc-go, in clear text and by TLS, two
// requests in one call.
func TestSpansOverGRPC(t *testing.T) {
	for _, tt := range []struct {
		scheme  string
		options []grpc.ServerOption
	}{{scheme: "http"}, {scheme: "https", options: []grpc.ServerOption{certified(t)}}} {
		t.Run(tt.scheme, func(t *testing.T) {
			c := startCollector(t, tt.options...)
			g := startGRPC(t, tt.scheme+"://al:secret@"+c.address, nil)
			g.Send(t, http.MethodGet, "/a", "", "Traceparent:00-"+traceID+"-"+spanID+"-01")
			g.Send(t, http.MethodGet, "/b", "")
			got := c.next(t)
			resources := got.data.GetResourceSpans()
			if len(resources) != 2 {
				t.Fatalf("%d requests", len(resources))
			}
			spans := resources[0].GetScopeSpans()[0].GetSpans()
			if len(spans) != 4 || hex.EncodeToString(spans[0].GetTraceId()) != traceID || spans[0].GetName() != "kong" {
				t.Errorf("spans %v", spans)
			}
			if want := []string{"k", "Basic YWw6c2VjcmV0"}; got.metadata.Get("X-Key")[0] != want[0] ||
				got.metadata.Get("Authorization")[0] != want[1] {
				t.Errorf("metadata %v", got.metadata)
			}
			if got.deadline <= 0 || got.deadline > 11*time.Second {
				t.Errorf("the deadline is in %v", got.deadline)
			}
			g.Send(t, http.MethodGet, "/c", "")
			g.Send(t, http.MethodGet, "/d", "")
			if text := c.next(t).data.String(); !strings.Contains(text, "/c") || !strings.Contains(text, "/d") {
				t.Errorf("the second batch is %s", text)
			}
		})
	}
}

// count is a sample of the counters of queues.
func count(t *testing.T, g *plugintest.Gateway, metric, reason string) float64 {
	t.Helper()
	families, err := g.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if reason == "" || l.GetValue() == reason {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}

// TestAnswersOverGRPC are tried again, or given up, as the specification of OTLP says.
func TestAnswersOverGRPC(t *testing.T) {
	later, err := status.New(codes.ResourceExhausted, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	partial := rejecting(1)
	for _, tt := range []struct {
		name         string
		answers      []error
		partial      []byte
		calls        int
		sent, failed float64
	}{
		{name: "away twice", answers: []error{status.Error(codes.Unavailable, "é"), status.Error(codes.DataLoss, "")}, calls: 3, sent: 2},
		{name: "later", answers: []error{later.Err()}, calls: 2, sent: 2},
		{name: "too much", answers: []error{status.Error(codes.ResourceExhausted, "too long")}, calls: 1, failed: 2},
		{name: "malformed", answers: []error{status.Error(codes.InvalidArgument, "no")}, calls: 1, failed: 2},
		{name: "who is it", answers: []error{status.Error(codes.Unauthenticated, "no")}, calls: 1, failed: 2},
		{name: "in part", partial: partial, calls: 1, sent: 1, failed: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := startCollector(t)
			c.partial = tt.partial
			for _, err := range tt.answers {
				c.answers <- err
			}
			g := startGRPC(t, "http://"+c.address, nil)
			g.Send(t, http.MethodGet, "/a", "")
			g.Send(t, http.MethodGet, "/b", "")
			for range tt.calls {
				c.next(t)
			}
			if s, f := delivered(t, g, 2); s != tt.sent || f != tt.failed || len(c.calls) > 0 {
				t.Errorf("%v sent and %v failed, want %v and %v; %d more calls", s, f, tt.sent, tt.failed, len(c.calls))
			}
		})
	}
}

// rejecting is an ExportTraceServiceResponse that says that n spans were rejected.
func rejecting(n uint64) []byte {
	rejected := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), n)
	rejected = protowire.AppendString(protowire.AppendTag(rejected, 2, protowire.BytesType), "a span of yesterday")
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), rejected)
}

// delivered waits until n entries are sent or given up, and returns how many of each.
func delivered(t *testing.T, g *plugintest.Gateway, n float64) (sent, failed float64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); sent+failed < n && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		sent = count(t, g, "gateway_log_entries_sent_total", "")
		failed = count(t, g, "gateway_log_entries_dropped_total", "failed")
	}
	return sent, failed
}

// TestAPartialSuccessOverHTTP is an answer 200 that costs what the collector did not take.
func TestAPartialSuccessOverHTTP(t *testing.T) {
	const own = "application/x-protobuf"
	for _, tt := range []struct {
		name, kind   string
		answer       []byte
		sent, failed float64
	}{
		{name: "all taken", kind: own, answer: rejecting(0), sent: 2},
		{name: "empty", kind: own, sent: 2},
		{name: "one rejected", kind: own, answer: rejecting(1), sent: 1, failed: 1},
		{name: "with a parameter", kind: own + "; charset=utf-8", answer: rejecting(1), sent: 1, failed: 1},
		{name: "more spans than requests", kind: own, answer: rejecting(8), failed: 2},
		{name: "malformed", kind: own, answer: []byte{0x0a, 0x7f}, sent: 2},
		{name: "another kind of answer", kind: "text/plain", answer: rejecting(1), sent: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", tt.kind)
				_, _ = w.Write(tt.answer)
			}))
			t.Cleanup(collector.Close)
			g := startGRPC(t, collector.URL+"/v1/traces", entity.Record{"protocol": overHTTP})
			g.Send(t, http.MethodGet, "/a", "")
			g.Send(t, http.MethodGet, "/b", "")
			if s, f := delivered(t, g, 2); s != tt.sent || f != tt.failed {
				t.Errorf("%v sent and %v failed, want %v and %v", s, f, tt.sent, tt.failed)
			}
		})
	}
}

// TestNoServerOfGRPC behind the endpoint costs the entries, which are counted.
func TestNoServerOfGRPC(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"HTTP/2 without gRPC": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
		"an error page":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"a status that is none": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Status", "x")
		},
		"a message that is cut off": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write([]byte{0, 0, 0, 0, 9, 1})
			w.Header().Set("Grpc-Status", "0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(handler)
			s.Config.Protocols = &http.Protocols{}
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
			t.Cleanup(s.Close)
			g := startGRPC(t, s.URL, entity.Record{"queue": entity.Record{"max_batch_size": 1, "max_retry_time": -1}})
			g.Send(t, http.MethodGet, "/", "")
			deadline := time.Now().Add(10 * time.Second)
			for count(t, g, "gateway_log_entries_dropped_total", "failed") != 1 {
				if time.Now().After(deadline) {
					t.Fatal("the entry was not dropped")
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// FuzzPartial: what a collector answers is not trusted.
func FuzzPartial(f *testing.F) {
	ok, err := proto.Marshal(&emptypb.Empty{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ok)
	f.Add([]byte{0x0a, 0x04, 0x08, 0x03, 0x12, 0x00})
	f.Add([]byte{0x0a, 0x7f})
	f.Fuzz(func(_ *testing.T, answer []byte) { _ = partial(answer, 5) })
}
