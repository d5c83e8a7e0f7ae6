package opentelemetry

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"opentelemetry.endpoint":                         ".: in.Endpoint",
	"opentelemetry.protocol":                         ".: in.Protocol",
	"opentelemetry.headers":                          ".: in.Headers",
	"opentelemetry.resource_attributes":              ".: in.ResourceAttributes",
	"opentelemetry.queue":                            "elsewhere",
	"opentelemetry.batch_span_count":                 ".: in.BatchSpanCount",
	"opentelemetry.batch_flush_delay":                ".: in.BatchFlushDelay",
	"opentelemetry.connect_timeout":                  ".: in.ConnectTimeout",
	"opentelemetry.send_timeout":                     ".: in.SendTimeout",
	"opentelemetry.read_timeout":                     ".: in.ReadTimeout",
	"opentelemetry.http_response_header_for_traceid": ".: in.TraceIDHeader",
	"opentelemetry.header_type":                      ".: in.HeaderType",
	"opentelemetry.sampling_rate":                    ".: in.SamplingRate",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"opentelemetry","config":{"endpoint":"http://h/v1/traces"}}`)
	if err != nil || entitytest.At(r, "config", "queue", "max_batch_size") != int64(200) ||
		entitytest.At(r, "config", "header_type") != "preserve" {
		t.Errorf("config %v, %v", r["config"], err)
	}
	if p := Definition().Priority; p != 14 {
		t.Errorf("priority %d is not Kong's", p)
	}
	for config, message := range map[string]string{
		`{}`: "endpoint: required field missing",
		`{"endpoint":"http://h","header_type":"x"}`:           "header_type: expected one of: preserve, ignore, b3, b3-single, w3c, jaeger, ot",
		`{"endpoint":"http://h","protocol":"http/json"}`:      "protocol: expected one of: http/protobuf, grpc",
		`{"endpoint":"http://h/v1/traces","protocol":"grpc"}`: "endpoint: must have no path with protocol=grpc",
		`{"endpoint":"http://h","sampling_rate":2}`:           "sampling_rate: value should be between 0 and 1",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"opentelemetry","config":`+config+`}`)
		entitytest.Refused(t, err, message)
	}
}

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

var id = regexp.MustCompile(`[0-9a-f]{16,32}`)

// TestPropagation tells the upstream the client's trace, or a new one.
func TestPropagation(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		fmt.Fprintf(w, "%s|%s|%s,%s,%s,%s", h["Traceparent"], h["B3"], h["X-B3-Traceid"], h["X-B3-Spanid"], h["X-B3-Parentspanid"],
			h["X-B3-Sampled"])
	})
	parent, single := "Traceparent:00-"+traceID+"-"+spanID+"-01", "B3:"+traceID+"-"+spanID+"-1"
	for _, tt := range []struct {
		name   string
		config entity.Record
		fields []string
		want   string // N is a new id, T and S are the client's
	}{
		{name: "none", want: "[00-N-N-00]|[]|[],[],[],[]"},
		{name: "w3c", fields: []string{parent}, want: "[00-T-N-01]|[]|[],[],[],[]"},
		{name: "b3-single", fields: []string{single}, want: "[]|[T-N-1-S]|[],[],[],[]"},
		{
			name: "b3", fields: []string{"X-B3-TraceId:" + traceID, "X-B3-SpanId:" + spanID, "X-B3-Sampled:0"},
			want: "[]|[]|[T],[N],[S],[0]",
		},
		{name: "a short id", fields: []string{"B3:" + traceID[16:] + "-" + spanID + "-0"}, want: "[]|[N-N-0-S]|[],[],[],[]"},
		{name: "another form", config: entity.Record{"header_type": "b3"}, fields: []string{parent}, want: "[]|[]|[T],[N],[S],[1]"},
		{name: "ignored", config: entity.Record{"header_type": "ignore"}, fields: []string{parent}, want: "[00-N-N-00]|[]|[],[],[],[]"},
		{name: "malformed", fields: []string{"Traceparent:00-" + traceID + "-x-01"}, want: "[00-N-N-00]|[]|[],[],[],[]"},
		{
			name: "an id of zeros", fields: []string{"Traceparent:00-" + strings.Repeat("0", 32) + "-" + spanID + "-01"},
			want: "[00-N-N-00]|[]|[],[],[],[]",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := entity.Record{"endpoint": "http://127.0.0.1:1/", "sampling_rate": 0, "queue": entity.Record{"max_retry_time": -1}}
			for k, v := range tt.config {
				config[k] = v
			}
			g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": name, "config": config})
			_, body := g.Send(t, http.MethodGet, "/", "", tt.fields...)
			got := id.ReplaceAllStringFunc(body, func(s string) string {
				switch s {
				case traceID:
					return "T"
				case spanID:
					return "S"
				}
				return "N"
			})
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestSpans reaches a real HTTP collector, one batch for several requests.
func TestSpans(t *testing.T) {
	bodies := make(chan []byte, 9)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("X-Key") != "k" {
			t.Errorf("%v, %v", r.Header, err)
		}
		bodies <- body
	}))
	t.Cleanup(collector.Close)
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": name, "config": entity.Record{
		"endpoint": collector.URL + "/v1/traces", "sampling_rate": 1, "headers": entity.Record{"X-Key": "k"},
		"resource_attributes": entity.Record{"service.name": "gw"}, "batch_span_count": 2, "batch_flush_delay": 60,
		"http_response_header_for_traceid": "X-Trace",
	}})
	res, _ := g.Send(t, http.MethodGet, "/a", "", "Traceparent:00-"+traceID+"-"+spanID+"-01")
	if got := res.Header.Get("X-Trace"); got != traceID {
		t.Errorf("the client is told %q", got)
	}
	g.Send(t, http.MethodGet, "/unsampled", "", "Traceparent:00-"+traceID+"-"+spanID+"-00")
	g.Send(t, http.MethodGet, "/b", "")
	var got tracepb.TracesData
	select {
	case body := <-bodies:
		if err := proto.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the collector was sent nothing")
	}
	if len(got.GetResourceSpans()) != 2 {
		t.Fatalf("%d requests", len(got.GetResourceSpans()))
	}
	first := got.GetResourceSpans()[0]
	var names []string
	spans := first.GetScopeSpans()[0].GetSpans()
	for _, s := range spans {
		names = append(names, s.GetName())
		if hex.EncodeToString(s.GetTraceId()) != traceID || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
			t.Errorf("span %v", s)
		}
	}
	if want := "kong kong.access kong.balancer kong.header_filter"; strings.Join(names, " ") != want {
		t.Errorf("spans %q", names)
	}
	if hex.EncodeToString(spans[0].GetParentSpanId()) != spanID || string(spans[1].GetParentSpanId()) != string(spans[0].GetSpanId()) {
		t.Error("the spans are not below each other")
	}
	text := first.String()
	for _, want := range []string{`"gw"`, `"/a"`, "418", `"try_count"`} {
		if !strings.Contains(text, strings.Trim(want, `"`)) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}
