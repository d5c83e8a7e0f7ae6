package opentelemetry

import (
	mathrand "math/rand/v2"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/tracing"
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
	tr := &tracing.Trace{}
	if t.headerType != tracing.Ignore {
		*tr = tracing.Read(h)
	}
	tr.Begin(false)
	if !tr.Decided {
		tr.Sampled = mathrand.Float64() < t.rate
	}
	if tr.Sampled {
		x.Trace = tr.ID
	}
	switch t.headerType {
	case tracing.Preserve:
		tr.Write(h, tr.Format)
	case tracing.Ignore:
		tr.Write(h, tracing.W3C)
	default:
		tr.Write(h, t.headerType)
	}
	x.Ctx.SetUserValue(t, tr)
	return false
}

// HeaderFilter tells the client the trace's id where that is wanted.
func (t *tracer) HeaderFilter(x *plugin.Exchange) {
	if tr, ok := x.Ctx.UserValue(t).(*tracing.Trace); ok && t.traceIDHeader != "" {
		x.Ctx.Response.Header.Set(t.traceIDHeader, tr.HexID())
	}
}

// encode makes the spans of a request: the whole, its phases, and each try of the
// balancer.
func (t *tracer) encode(x *plugin.Exchange) []byte {
	tr, ok := x.Ctx.UserValue(t).(*tracing.Trace)
	if !ok || !tr.Sampled {
		return nil
	}
	spans := []*tracepb.Span{root(tr, x), below(tr, tracing.Access(x))}
	for _, try := range tracing.Tries(x) {
		s := below(tr, try.Span)
		s.Kind = tracepb.Span_SPAN_KIND_CLIENT
		s.Attributes = []*common.KeyValue{
			number("try_count", try.Number), text("net.peer.name", try.Host), text("net.peer.port", try.Port),
		}
		if try.Error == "" {
			s.Attributes = append(s.Attributes, number("http.status_code", try.Status))
		}
		spans = append(spans, s)
	}
	if s, ok := tracing.HeaderFilter(x); ok {
		spans = append(spans, below(tr, s))
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

// root is the span of the whole request.
func root(tr *tracing.Trace, x *plugin.Exchange) *tracepb.Span {
	e := logentry.Of(x, time.Now())
	s := below(tr, tracing.Span{ID: tr.Span, Name: "kong", From: x.Started, To: time.Now()})
	s.ParentSpanId, s.Kind = nil, tracepb.Span_SPAN_KIND_SERVER
	if tr.Parent != [8]byte{} {
		s.ParentSpanId = tr.Parent[:]
	}
	s.Attributes = []*common.KeyValue{
		text("http.method", e.Request.Method), text("http.url", e.Request.URL), text("http.host", x.Host), text("http.scheme", x.Scheme),
		text("net.peer.ip", x.ClientIP), number("http.status_code", e.Response.Status), text("http.route", or(x.Route.Name, x.Route.ID)),
	}
	if x.Consumer != nil {
		s.Attributes = append(s.Attributes, text("kong.consumer", or(x.Consumer.Username, x.Consumer.ID)))
	}
	if e.Response.Status >= 500 {
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	}
	return s
}

// below is a span below the request's.
func below(tr *tracing.Trace, s tracing.Span) *tracepb.Span {
	out := &tracepb.Span{
		TraceId: tr.ID[:], SpanId: s.ID[:], ParentSpanId: tr.Span[:], Name: s.Name, Kind: tracepb.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: uint64(s.From.UnixNano()), EndTimeUnixNano: uint64(s.To.UnixNano()), //nolint:gosec // after 1970
	}
	if s.Error != "" {
		out.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: s.Error}
	}
	return out
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
