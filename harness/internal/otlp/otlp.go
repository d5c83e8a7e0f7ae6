// Package otlp speaks the OpenTelemetry protocol (OTLP over HTTP, with Protocol Buffers) as far as the lab needs it: it sends spans of one
// service, and reads spans of any. It also reads and writes the header field traceparent of W3C Trace Context.
package otlp

import (
	"encoding/hex"
	"fmt"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TracesPath is where a receiver takes spans.
const TracesPath = "/v1/traces"

// ContentType is that of a message in Protocol Buffers.
const ContentType = "application/x-protobuf"

// Attributes that are kept of a span. The older name of the status is the one that Kong's plugin writes.
const (
	attributeService   = "service.name"
	attributeStatus    = "http.response.status_code"
	attributeOldStatus = "http.status_code"
)

// TraceID is the id of a trace; zero is none.
type TraceID [16]byte

// SpanID is the id of a span; zero is none.
type SpanID [8]byte

func (t TraceID) String() string { return hex.EncodeToString(t[:]) }
func (s SpanID) String() string  { return hex.EncodeToString(s[:]) }

// Kind is a span's place in an exchange.
type Kind uint8

// Kinds of spans. Of other kinds than a server's and a client's nothing is asked.
const (
	Internal Kind = iota
	Server        // handles a request
	Client        // sends a request and waits for the response
)

// Span is a part of a request's way, in one service.
type Span struct {
	Trace   TraceID
	ID      SpanID
	Parent  SpanID // zero: the trace begins with this span
	Service string // empty: its resource has no name
	Name    string
	Kind    Kind
	Start   time.Time
	End     time.Time
	Status  int  // of HTTP; 0: there was no response
	Failed  bool // its status is an error
}

// Encode is a request to export spans of a service. TracesData has the fields of ExportTraceServiceRequest, whose package wants gRPC.
func Encode(service string, spans []Span) ([]byte, error) {
	out := make([]*tracepb.Span, len(spans))
	for i := range spans {
		out[i] = encode(&spans[i])
	}
	return proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*common.KeyValue{text(attributeService, service)}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "gatelab"}, Spans: out}},
	}}})
}

func encode(s *Span) *tracepb.Span {
	out := &tracepb.Span{
		TraceId: s.Trace[:], SpanId: s.ID[:], Name: s.Name, Kind: tracepb.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: uint64(s.Start.UnixNano()), EndTimeUnixNano: uint64(s.End.UnixNano()), //nolint:gosec // after 1970
	}
	if s.Parent != (SpanID{}) {
		out.ParentSpanId = s.Parent[:]
	}
	switch s.Kind {
	case Server:
		out.Kind = tracepb.Span_SPAN_KIND_SERVER
	case Client:
		out.Kind = tracepb.Span_SPAN_KIND_CLIENT
	}
	if s.Status != 0 {
		out.Attributes = []*common.KeyValue{{
			Key: attributeStatus, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(s.Status)}},
		}}
	}
	if s.Failed {
		out.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	}
	return out
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// Decode reads a request to export spans. A span whose ids do not have the lengths that the protocol prescribes is an error.
func Decode(body []byte) ([]Span, error) {
	var request tracepb.TracesData
	if err := proto.Unmarshal(body, &request); err != nil {
		return nil, fmt.Errorf("ExportTraceServiceRequest: %w", err)
	}
	var out []Span
	for _, r := range request.GetResourceSpans() {
		service := ""
		for _, a := range r.GetResource().GetAttributes() {
			if a.GetKey() == attributeService {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				one, err := decode(s)
				if err != nil {
					return nil, err
				}
				one.Service = service
				out = append(out, one)
			}
		}
	}
	return out, nil
}

func decode(s *tracepb.Span) (out Span, err error) {
	if n := len(s.GetTraceId()); n != len(out.Trace) {
		return out, fmt.Errorf("span %.40q: trace_id of %d bytes is not allowed: want %d", s.GetName(), n, len(out.Trace))
	}
	if n := len(s.GetSpanId()); n != len(out.ID) {
		return out, fmt.Errorf("span %.40q: span_id of %d bytes is not allowed: want %d", s.GetName(), n, len(out.ID))
	}
	if n := len(s.GetParentSpanId()); n != 0 && n != len(out.Parent) {
		return out, fmt.Errorf("span %.40q: parent_span_id of %d bytes is not allowed: want 0 or %d", s.GetName(), n, len(out.Parent))
	}
	copy(out.Trace[:], s.GetTraceId())
	copy(out.ID[:], s.GetSpanId())
	copy(out.Parent[:], s.GetParentSpanId())
	out.Name = s.GetName()
	out.Start = time.Unix(0, int64(s.GetStartTimeUnixNano())) //nolint:gosec // until 2262
	out.End = time.Unix(0, int64(s.GetEndTimeUnixNano()))     //nolint:gosec // until 2262
	switch s.GetKind() {
	case tracepb.Span_SPAN_KIND_SERVER:
		out.Kind = Server
	case tracepb.Span_SPAN_KIND_CLIENT:
		out.Kind = Client
	}
	for _, a := range s.GetAttributes() {
		if k := a.GetKey(); k == attributeStatus || k == attributeOldStatus {
			out.Status = int(a.GetValue().GetIntValue())
		}
	}
	out.Failed = s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR
	return out, nil
}
