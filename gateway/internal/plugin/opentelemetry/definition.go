// Package opentelemetry is Kong's plugin opentelemetry: it passes a trace on to the
// upstream, and sends the spans of a request to a collector (OTLP over HTTP or gRPC).
package opentelemetry

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/plugin/posting"
	"github.com/gatelab/gatelab/gateway/internal/plugin/tracing"
)

const name = "opentelemetry"

// defaultRate is Kong's tracing_sampling_rate.
const defaultRate = 0.01

// Definition declares the plugin.
func Definition() plugin.Definition {
	timeout := func(name string, fallback int) entity.Field {
		return entity.Field{Name: name, Kind: entity.Integer, Default: fallback, Between: &[2]float64{0, entity.MaxTimeout}}
	}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name,
			Config: []entity.Field{
				{Name: "endpoint", Kind: entity.String, Required: true, Match: "url", Referenceable: true},
				{Name: "protocol", Kind: entity.String, Default: overHTTP, OneOf: []any{overHTTP, overGRPC}},
				posting.Headers(),
				{
					Name: "resource_attributes", Kind: entity.Map, Keys: &entity.Field{Kind: entity.String},
					Elements: &entity.Field{Kind: entity.String},
				},
				logqueue.Field(batchSize),
				{Name: "batch_span_count", Kind: entity.Integer, Between: &[2]float64{1, 1_000_000}},
				{Name: "batch_flush_delay", Kind: entity.Integer, Between: &[2]float64{0, 3600}},
				timeout("connect_timeout", 1000), timeout("send_timeout", 5000), timeout("read_timeout", 5000),
				{Name: "http_response_header_for_traceid", Kind: entity.String, Match: "header"},
				{
					Name: "header_type", Kind: entity.String, Default: tracing.Preserve,
					OneOf: []any{
						tracing.Preserve, tracing.Ignore, tracing.B3, tracing.B3Single, tracing.W3C, tracing.Jaeger, tracing.OT,
					},
				},
				{Name: "sampling_rate", Kind: entity.Number, Between: &[2]float64{0, 1}},
			},
			Checks: []entity.Check{{Run: checkEndpoint}},
		},
		Priority: 14, New: newPlugin, RegisterMetrics: logentry.Declare(name),
	}
}

// The old defaults of the fields that configured a queue before Kong 3.3.
const (
	batchSize  = 200
	flushDelay = 3
)

// config is the configuration as it is stored.
type config struct {
	Endpoint           string            `json:"endpoint"`
	Protocol           string            `json:"protocol"`
	Headers            map[string]string `json:"headers"`
	ResourceAttributes map[string]string `json:"resource_attributes"`
	Queue              logqueue.Config   `json:"queue"`
	BatchSpanCount     *int              `json:"batch_span_count"`
	BatchFlushDelay    *float64          `json:"batch_flush_delay"` // seconds
	ConnectTimeout     float64           `json:"connect_timeout"`   // ms
	SendTimeout        float64           `json:"send_timeout"`      // ms
	ReadTimeout        float64           `json:"read_timeout"`      // ms
	TraceIDHeader      string            `json:"http_response_header_for_traceid"`
	HeaderType         string            `json:"header_type"`
	SamplingRate       *float64          `json:"sampling_rate"`
}

func newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	var in config
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	if n := in.BatchSpanCount; n != nil && *n != batchSize {
		in.Queue.MaxBatchSize = *n
	}
	if s := in.BatchFlushDelay; s != nil && *s != flushDelay {
		in.Queue.MaxCoalescingDelay = *s
	}
	to, err := newSender(&in)
	if err != nil {
		return nil, err
	}
	t := &tracer{rate: defaultRate, headerType: in.HeaderType, traceIDHeader: in.TraceIDHeader, resource: resource(in.ResourceAttributes, d)}
	if in.SamplingRate != nil {
		t.rate = *in.SamplingRate
	}
	t.Logger, err = logentry.NewLogger(c, d, in.Queue, t.encode, to.send, to.close)
	return t, err
}
