// Package httplog is Kong's plugin http-log: it sends what is to say about
// requests to an HTTP server, as JSON.
package httplog

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/plugin/posting"
)

const name = "http-log"

// Definition declares the plugin.
func Definition() plugin.Definition {
	fields := []entity.Field{
		{Name: "http_endpoint", Kind: entity.String, Required: true, Match: "url", Referenceable: true, Encrypted: true},
		{Name: "method", Kind: entity.String, Default: http.MethodPost, OneOf: []any{"POST", "PUT", "PATCH"}},
		{
			Name: "content_type", Kind: entity.String, Default: "application/json",
			OneOf: []any{"application/json", "application/json; charset=utf-8"},
		},
		{Name: "timeout", Kind: entity.Number, Default: 10_000, Between: &[2]float64{1, entity.MaxTimeout}},
		{Name: "keepalive", Kind: entity.Number, Default: 60_000, Between: &[2]float64{0, entity.MaxTimeout}},
	}
	fields = append(fields, logqueue.LegacyFields()...)
	fields = append(fields, posting.Headers(), logqueue.Field(1), logentry.CustomFields())
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{Name: name, Config: fields, Checks: []entity.Check{{Run: checkHeaders}}},
		Priority:     12, New: newPlugin, RegisterMetrics: logentry.Declare(name),
	}
}

// checkHeaders has Kong's rules and words.
func checkHeaders(c entity.Record) map[string]any {
	headers, _ := c["headers"].(map[string]any)
	endpoint, _ := c["http_endpoint"].(string)
	for field := range headers {
		for _, own := range []string{"Host", "Content-Length", "Content-Type"} {
			if strings.EqualFold(field, own) {
				return map[string]any{"headers": "cannot contain '" + own + "' header"}
			}
		}
		if u, err := url.Parse(endpoint); err == nil && u.User != nil && strings.EqualFold(field, "Authorization") {
			const message = "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"
			return map[string]any{"@entity": []any{message}}
		}
	}
	return nil
}

// config is the configuration as it is stored.
type config struct {
	HTTPEndpoint string            `json:"http_endpoint"`
	Method       string            `json:"method"`
	ContentType  string            `json:"content_type"`
	Timeout      float64           `json:"timeout"`   // ms
	Keepalive    float64           `json:"keepalive"` // ms
	Headers      map[string]string `json:"headers"`
	Queue        logqueue.Config   `json:"queue"`
	logqueue.Legacy
}

func newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	var in config
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	in.Apply(&in.Queue)
	to, err := posting.New(posting.Config{
		URL: in.HTTPEndpoint, Method: in.Method, ContentType: in.ContentType, Headers: in.Headers,
		Timeout: posting.Millis(in.Timeout), Keepalive: posting.Millis(in.Keepalive),
	})
	if err != nil {
		return nil, fmt.Errorf("http-log: %w", err)
	}
	send := func(ctx context.Context, batch [][]byte) error {
		if in.Queue.MaxBatchSize == 1 {
			return to.Send(ctx, batch[0])
		}
		return to.Send(ctx, fmt.Appendf(nil, "[%s]", bytes.Join(batch, []byte{','})))
	}
	return logentry.NewLogger(c, d, in.Queue, logentry.Encode, send, to.Close)
}
