// Package zipkin is Kong's plugin zipkin: it passes a trace on to the upstream, and
// sends the spans of a request to a collector in Zipkin's format (v2).
package zipkin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/plugin/posting"
	"github.com/gatelab/gatelab/gateway/internal/plugin/tracing"
)

const name = "zipkin"

// The values of phase_duration_flavor and http_span_name.
const (
	annotations = "annotations"
	tags        = "tags"
	method      = "method"
	methodPath  = "method_path"
)

// protected are tags that the plugin sets itself.
var protected = []string{
	"error", "http.method", "http.path", "http.status_code", "kong.balancer.state", "kong.balancer.try", "kong.consumer",
	"kong.credential", "kong.node.id", "kong.route", "kong.service", "lc", "peer.hostname",
}

// Definition declares the plugin.
func Definition() plugin.Definition {
	text := func(name, fallback string, values ...any) entity.Field {
		return entity.Field{Name: name, Kind: entity.String, Required: true, Default: fallback, OneOf: values}
	}
	timeout := func(name string, fallback int) entity.Field {
		return entity.Field{Name: name, Kind: entity.Integer, Default: fallback, Between: &[2]float64{0, entity.MaxTimeout}}
	}
	formats := []any{tracing.B3, tracing.B3Single, tracing.W3C, tracing.Jaeger, tracing.OT}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name,
			Config: []entity.Field{
				text("local_service_name", "kong"),
				{Name: "http_endpoint", Kind: entity.String, Match: "url", Referenceable: true},
				{Name: "sample_ratio", Kind: entity.Number, Default: 0.001, Between: &[2]float64{0, 1}},
				{Name: "default_service_name", Kind: entity.String},
				{Name: "include_credential", Kind: entity.Boolean, Required: true, Default: true},
				{Name: "traceid_byte_count", Kind: entity.Integer, Required: true, Default: 16, OneOf: []any{8, 16}},
				text("header_type", tracing.Preserve, append([]any{tracing.Preserve, tracing.Ignore}, formats...)...),
				text("default_header_type", tracing.B3, formats...),
				text("tags_header", "Zipkin-Tags"),
				{Name: "static_tags", Kind: entity.Array, Elements: &entity.Field{Kind: entity.Rec, Fields: []entity.Field{
					{Name: "name", Kind: entity.String, Required: true}, {Name: "value", Kind: entity.String, Required: true},
				}}},
				text("http_span_name", method, method, methodPath),
				timeout("connect_timeout", 2000), timeout("send_timeout", 5000), timeout("read_timeout", 5000),
				{Name: "http_response_header_for_traceid", Kind: entity.String, Match: "header"},
				text("phase_duration_flavor", annotations, annotations, tags),
				logqueue.Field(1),
			},
			Checks: []entity.Check{{Run: checkTags}},
		},
		Priority: 100000, New: newPlugin, RegisterMetrics: logentry.Declare(name),
	}
}

func checkTags(c entity.Record) map[string]any {
	list, _ := c["static_tags"].([]any)
	seen := map[any]bool{}
	for _, e := range list {
		tag, _ := e.(map[string]any)
		name, _ := tag["name"].(string)
		switch {
		case slices.Contains(protected, name):
			return map[string]any{"static_tags": "the plugin sets the tag " + name + " itself"}
		case seen[name]:
			return map[string]any{"static_tags": "repeated tags are not allowed: " + name}
		}
		seen[name] = true
	}
	return nil
}

// config is the configuration as it is stored.
type config struct {
	LocalServiceName    string          `json:"local_service_name"`
	HTTPEndpoint        string          `json:"http_endpoint"`
	SampleRatio         *float64        `json:"sample_ratio"`
	DefaultServiceName  string          `json:"default_service_name"`
	IncludeCredential   bool            `json:"include_credential"`
	TraceIDByteCount    int             `json:"traceid_byte_count"`
	HeaderType          string          `json:"header_type"`
	DefaultHeaderType   string          `json:"default_header_type"`
	TagsHeader          string          `json:"tags_header"`
	StaticTags          []tag           `json:"static_tags"`
	HTTPSpanName        string          `json:"http_span_name"`
	ConnectTimeout      float64         `json:"connect_timeout"` // ms
	SendTimeout         float64         `json:"send_timeout"`    // ms
	ReadTimeout         float64         `json:"read_timeout"`    // ms
	TraceIDHeader       string          `json:"http_response_header_for_traceid"`
	PhaseDurationFlavor string          `json:"phase_duration_flavor"`
	Queue               logqueue.Config `json:"queue"`
}

type tag struct{ Name, Value string }

func newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	t := &tracer{rate: 0.001}
	if err := plugin.DecodeConfig(c, &t.config); err != nil {
		return nil, err
	}
	if t.SampleRatio != nil {
		t.rate = *t.SampleRatio
	}
	if t.HTTPEndpoint == "" { // traces are passed on alone
		return &propagator{t}, nil
	}
	to, err := posting.New(posting.Config{
		URL: t.HTTPEndpoint, Method: http.MethodPost, ContentType: "application/json",
		Connect: posting.Millis(t.ConnectTimeout), Timeout: posting.Millis(t.ConnectTimeout + t.SendTimeout + t.ReadTimeout),
		Keepalive: posting.Millis(60_000),
	})
	if err != nil {
		return nil, fmt.Errorf("zipkin: %w", err)
	}
	send := func(ctx context.Context, batch [][]byte) error {
		return to.Send(ctx, slices.Concat([]byte{'['}, bytes.Join(batch, []byte{','}), []byte{']'}))
	}
	logger, err := logentry.NewLogger(c, d, t.Queue, t.encode, send, to.Close)
	return &reporter{t, logger}, err
}

// propagator only passes traces on; reporter sends spans as well.
type (
	propagator struct{ *tracer }
	reporter   struct {
		*tracer
		*logentry.Logger
	}
)

var (
	_ plugin.AccessPhase       = (*propagator)(nil)
	_ plugin.AccessPhase       = (*reporter)(nil)
	_ plugin.HeaderFilterPhase = (*reporter)(nil)
	_ plugin.LogPhase          = (*reporter)(nil)
)
