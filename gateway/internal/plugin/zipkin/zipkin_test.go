package zipkin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"zipkin.local_service_name":               ".: t.LocalServiceName",
	"zipkin.http_endpoint":                    ".: t.HTTPEndpoint",
	"zipkin.sample_ratio":                     ".: t.SampleRatio",
	"zipkin.default_service_name":             ".: t.DefaultServiceName",
	"zipkin.include_credential":               ".: t.IncludeCredential",
	"zipkin.traceid_byte_count":               ".: t.TraceIDByteCount",
	"zipkin.header_type":                      ".: t.HeaderType",
	"zipkin.default_header_type":              ".: t.DefaultHeaderType",
	"zipkin.tags_header":                      ".: t.TagsHeader",
	"zipkin.static_tags":                      ".: t.StaticTags",
	"zipkin.static_tags.name":                 ".: g.Name",
	"zipkin.static_tags.value":                ".: g.Value",
	"zipkin.http_span_name":                   ".: t.HTTPSpanName",
	"zipkin.connect_timeout":                  ".: t.ConnectTimeout",
	"zipkin.send_timeout":                     ".: t.SendTimeout",
	"zipkin.read_timeout":                     ".: t.ReadTimeout",
	"zipkin.http_response_header_for_traceid": ".: t.TraceIDHeader",
	"zipkin.phase_duration_flavor":            ".: t.PhaseDurationFlavor",
	"zipkin.queue":                            "elsewhere",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 100000,
		Refused: map[string]string{
			`{"http_endpoint":"x"}`:                       "config.http_endpoint: ",
			`{"sample_ratio":2}`:                          "config.sample_ratio: value should be between 0 and 1",
			`{"traceid_byte_count":4}`:                    "config.traceid_byte_count: expected one of: 8, 16",
			`{"header_type":"aws"}`:                       "config.header_type: expected one of: preserve, ignore, b3, b3-single, w3c, jaeger, ot",
			`{"static_tags":[{"name":"lc","value":"x"}]}`: "the plugin sets the tag lc itself",
			`{"static_tags":[{"name":"a","value":"x"},{"name":"a","value":"y"}]}`: "repeated tags are not allowed: a",
			`{"static_tags":[{"name":"a"}]}`:                                      "required field missing",
		},
	}.Check(t, Definition())
}

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

var id = regexp.MustCompile(`[0-9a-f]{16,32}`)

// TestPropagation: the upstream's parent is a span below the gateway's.
func TestPropagation(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		fmt.Fprintf(w, "%s|%s|%s,%s,%s|%s|%s", h["Traceparent"], h["B3"], h["X-B3-Traceid"], h["X-B3-Spanid"], h["X-B3-Sampled"],
			h["Uber-Trace-Id"], h["Ot-Tracer-Traceid"])
	})
	for _, tt := range []struct {
		name   string
		config entity.Record
		fields []string
		want   string // N is a new id, T and S are the client's
	}{
		{name: "none", want: "[]|[]|[N],[N],[0]|[]|[]"},
		{name: "none, as w3c", config: entity.Record{"default_header_type": "w3c"}, want: "[00-N-N-00]|[]|[],[],[]|[]|[]"},
		{name: "preserved", fields: []string{"B3:" + traceID + "-" + spanID + "-1"}, want: "[]|[T-N-1-N]|[],[],[]|[]|[]"},
		{name: "jaeger", fields: []string{"Uber-Trace-Id:" + traceID + ":" + spanID + ":0:1"}, want: "[]|[]|[],[],[]|[T:N:N:01]|[]"},
		{name: "ot", fields: []string{"Ot-Tracer-TraceId:" + traceID, "Ot-Tracer-SpanId:" + spanID}, want: "[]|[]|[],[],[]|[]|[T]"},
		{name: "another form", config: entity.Record{"header_type": "w3c"}, fields: []string{"B3:" + traceID + "-" + spanID + "-1"},
			want: "[00-T-N-01]|[]|[],[],[]|[]|[]"},
		{name: "ignored", config: entity.Record{"header_type": "ignore"}, fields: []string{"B3:" + traceID + "-" + spanID + "-1"},
			want: "[]|[]|[N],[N],[0]|[]|[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := entity.Record{"sample_ratio": 0}
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

// TestSpans reaches a real HTTP collector.
func TestSpans(t *testing.T) {
	bodies := make(chan []byte, 9)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v, %v", r.Header, err)
		}
		bodies <- body
	}))
	t.Cleanup(collector.Close)
	upstream := make(chan http.Header, 9)
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upstream <- r.Header
		w.WriteHeader(http.StatusTeapot)
	})
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": name, "config": entity.Record{
		"http_endpoint": collector.URL + "/api/v2/spans", "sample_ratio": 1, "local_service_name": "gw", "default_service_name": "unknown",
		"http_span_name": "method_path", "traceid_byte_count": 8, "http_response_header_for_traceid": "X-Trace",
		"static_tags": []any{entity.Record{"name": "team", "value": "a"}},
	}})
	res, _ := g.Send(t, http.MethodGet, "/a?secret=x", "", "Zipkin-Tags:k=v; lc=mine")
	var spans []span
	select {
	case body := <-bodies:
		if err := json.Unmarshal(body, &spans); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the collector was sent nothing")
	}
	if len(spans) != 3 {
		t.Fatalf("%d spans: %+v", len(spans), spans)
	}
	root, proxy := spans[0], spans[1]
	try := spans[2]
	if root.Name != "GET /a" || proxy.Name != "GET /a (proxy)" || try.Name != "GET /a (balancer try 1)" {
		t.Errorf("names %q, %q, %q", root.Name, proxy.Name, try.Name)
	}
	if len(root.TraceID) != 16 || res.Header.Get("X-Trace") != root.TraceID || proxy.TraceID != root.TraceID || root.ParentID != "" ||
		proxy.ParentID != root.ID || try.ParentID != root.ID || (<-upstream).Get("X-B3-SpanId") != proxy.ID {
		t.Errorf("the spans are not below each other: %+v", spans)
	}
	if root.Kind != "SERVER" || proxy.Kind != "CLIENT" || root.Local.ServiceName != "gw" || proxy.Remote.ServiceName != "unknown" ||
		root.Remote.IPv4 != "127.0.0.1" || try.Remote.Port == 0 || proxy.Annotations[0].Value != "kas" || root.Timestamp == 0 {
		t.Errorf("spans %+v", spans)
	}
	for tag, want := range map[string]string{
		"lc": "kong", "k": "v", "team": "a", "http.method": "GET", "http.path": "/a", "http.status_code": "418",
	} {
		if root.Tags[tag] != want {
			t.Errorf("tag %s is %q", tag, root.Tags[tag])
		}
	}
	if proxy.Tags["kong.route"] != "r1" || proxy.Tags["kong.service"] != "s1" || try.Tags["kong.balancer.try"] != "1" {
		t.Errorf("tags %v, %v", proxy.Tags, try.Tags)
	}
}
