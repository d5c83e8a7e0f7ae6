package otlp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gatelab/gatelab/harness/internal/otlp"
)

func span() otlp.Span {
	c := otlp.NewContext()
	at := time.Unix(1_700_000_000, 12_345)
	return otlp.Span{
		Trace: c.Trace, ID: c.Span, Parent: otlp.NewSpanID(), Service: "origin", Name: "GET", Kind: otlp.Server,
		Start: at, End: at.Add(time.Millisecond), Status: 503, Failed: true,
	}
}

// What is sent is what is read.
func TestSpansOverHTTP(t *testing.T) {
	var got []otlp.Span
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if got, err = otlp.Decode(body); err != nil || r.Header.Get("Content-Type") != otlp.ContentType {
			t.Errorf("%v, %v", r.Header, err)
		}
	}))
	defer server.Close()
	first, second := span(), span()
	second.Parent, second.Kind = otlp.SpanID{}, otlp.Client
	second.Status, second.Failed = 0, false
	if err := otlp.Send(t.Context(), server.URL+otlp.TracesPath, "origin", []otlp.Span{first, second}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != first || got[1] != second {
		t.Errorf("read %+v, sent %+v and %+v", got, first, second)
	}
}

func TestSendSaysWhatWasAnswered(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "full", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	err := otlp.Send(t.Context(), server.URL, "s", []otlp.Span{span()})
	if err == nil || !strings.Contains(err.Error(), "answered 503: full") {
		t.Error(err)
	}
	if err := otlp.Send(t.Context(), "http://127.0.0.1:1", "s", nil); err != nil {
		t.Errorf("nothing to send: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	id, trace := []byte("12345678"), []byte("1234567812345678")
	for want, s := range map[string]*tracepb.Span{
		`span "a": trace_id of 3 bytes is not allowed: want 16`:            {Name: "a", TraceId: []byte("abc"), SpanId: id},
		`span "b": span_id of 0 bytes is not allowed: want 8`:              {Name: "b", TraceId: trace},
		`span "c": parent_span_id of 16 bytes is not allowed: want 0 or 8`: {Name: "c", TraceId: trace, SpanId: id, ParentSpanId: trace},
	} {
		body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
			ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{s}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := otlp.Decode(body); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := otlp.Decode([]byte("no message")); err == nil {
		t.Error("text was taken for a message")
	}
}

func TestContext(t *testing.T) {
	const value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c, err := otlp.ParseContext([]byte(value))
	if err != nil || !c.Sampled || c.Trace.String() != value[3:35] || c.Span.String() != value[36:52] || string(c.Append(nil)) != value {
		t.Errorf("%+v, %v", c, err)
	}
	c.Sampled = false
	if again, err := otlp.ParseContext(c.Append(nil)); err != nil || again != c {
		t.Errorf("%+v, %v", again, err)
	}
	for _, bad := range []string{
		"", "01" + value[2:], value + "-", value[:54] + "x", strings.Replace(value, "b7ad6b7169203331", "0000000000000000", 1),
		strings.Replace(value, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1), strings.ReplaceAll(value, "-", "_"),
	} {
		if c, err := otlp.ParseContext([]byte(bad)); err == nil {
			t.Errorf("%q is taken for %+v", bad, c)
		}
	}
}
