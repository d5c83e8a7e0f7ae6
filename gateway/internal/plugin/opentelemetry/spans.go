package opentelemetry

import (
	"crypto/rand"
	"encoding/hex"
	mathrand "math/rand/v2"
	"net"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"gatelab/gateway/internal/plugin"
	"gatelab/gateway/internal/plugin/logentry"
)

// tracer is the plugin.
type tracer struct {
	*logentry.Logger
	rate          float64
	headerType    string
	traceIDHeader string
	resource      *resourcepb.Resource
}

// Access continues the client's trace, or begins one, and tells the upstream.
func (t *tracer) Access(x *plugin.Exchange) (answered bool) {
	h := &x.Ctx.Request.Header
	tr := &trace{}
	if t.headerType != ignore {
		*tr = read(h)
	}
	tr.begin()
	if !tr.decided {
		tr.sampled = mathrand.Float64() < t.rate
	}
	switch t.headerType {
	case preserve:
		tr.write(h, tr.form)
	case ignore:
		tr.write(h, w3c)
	default:
		tr.write(h, t.headerType)
	}
	x.Ctx.SetUserValue(t, tr)
	return false
}

// HeaderFilter tells the client the trace's id where that is wanted.
func (t *tracer) HeaderFilter(x *plugin.Exchange) {
	if tr, ok := x.Ctx.UserValue(t).(*trace); ok && t.traceIDHeader != "" {
		x.Ctx.Response.Header.Set(t.traceIDHeader, hex.EncodeToString(tr.id[:]))
	}
}

// encode makes the spans of a request: the whole, its phases, and each try of the
// balancer.
func (t *tracer) encode(x *plugin.Exchange) []byte {
	tr, ok := x.Ctx.UserValue(t).(*trace)
	if !ok || !tr.sampled {
		return nil
	}
	e := logentry.Of(x, time.Now())
	root := tr.new("kong", x.Started, time.Now())
	root.SpanId, root.ParentSpanId = tr.span[:], nil
	root.Kind = tracepb.Span_SPAN_KIND_SERVER
	if tr.parent != [8]byte{} {
		root.ParentSpanId = tr.parent[:]
	}
	root.Attributes = []*common.KeyValue{
		text("http.method", e.Request.Method), text("http.url", e.Request.URL), text("http.host", x.Host), text("http.scheme", x.Scheme),
		text("net.peer.ip", x.ClientIP), number("http.status_code", e.Response.Status), text("http.route", or(x.Route.Name, x.Route.ID)),
	}
	if x.Consumer != nil {
		root.Attributes = append(root.Attributes, text("kong.consumer", or(x.Consumer.Username, x.Consumer.ID)))
	}
	if e.Response.Status >= 500 {
		root.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	}
	spans := []*tracepb.Span{root, tr.new("kong.access", x.Times.Access, x.Times.Accessed)}
	for i, try := range x.Tries {
		s := tr.new("kong.balancer", try.Started, try.Started.Add(try.Took))
		s.Kind = tracepb.Span_SPAN_KIND_CLIENT
		host, port, err := net.SplitHostPort(try.Address)
		if err != nil {
			host = try.Address
		}
		s.Attributes = []*common.KeyValue{number("try_count", i+1), text("net.peer.name", host), text("net.peer.port", port)}
		if try.Err != nil {
			s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: try.Err.Error()}
		} else {
			s.Attributes = append(s.Attributes, number("http.status_code", try.Status))
		}
		spans = append(spans, s)
	}
	if !x.Times.Filter.IsZero() {
		spans = append(spans, tr.new("kong.header_filter", x.Times.Filter, x.Times.Filtered))
	}
	raw, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   t.resource,
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "kong-internal"}, Spans: spans}},
	}}})
	if err != nil { // of text that is no UTF-8
		return nil
	}
	return raw
}

// new makes a span below the request's.
func (t *trace) new(name string, from, to time.Time) *tracepb.Span {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return &tracepb.Span{
		TraceId: t.id[:], SpanId: id[:], ParentSpanId: t.span[:], Name: name, Kind: tracepb.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: uint64(from.UnixNano()), EndTimeUnixNano: uint64(to.UnixNano()), //nolint:gosec // after 1970
	}
}

// resource is the gateway. What is configured wins over what is known.
func resource(configured map[string]string, d *plugin.Deps) *resourcepb.Resource {
	all := map[string]string{"service.name": "kong", "service.version": d.Node.Version, "service.instance.id": d.Node.ID}
	for k, v := range configured {
		all[k] = v
	}
	r := &resourcepb.Resource{}
	for k, v := range all {
		if v != "" {
			r.Attributes = append(r.Attributes, text(k, v))
		}
	}
	return r
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(value)}}}
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

var (
	_ plugin.AccessPhase       = (*tracer)(nil)
	_ plugin.HeaderFilterPhase = (*tracer)(nil)
	_ plugin.LogPhase          = (*tracer)(nil)
)
