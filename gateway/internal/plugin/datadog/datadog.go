// Package datadog is Kong's plugin datadog: it sends metrics of every request to
// a Datadog agent.
package datadog

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/plugin/stats"
)

const name = "datadog"

// Definition declares the plugin.
func Definition() plugin.Definition {
	fields := []entity.Field{
		{Name: "host", Kind: entity.String, Default: "localhost", Match: "host", Referenceable: true},
		{Name: "port", Kind: entity.Integer, Default: 8125, Between: &[2]float64{0, 65535}},
		{Name: "prefix", Kind: entity.String, Default: "kong"},
		{Name: "service_name_tag", Kind: entity.String, Default: "name"},
		{Name: "status_tag", Kind: entity.String, Default: "status"},
		{Name: "consumer_tag", Kind: entity.String, Default: "consumer"},
	}
	fields = append(fields, logqueue.LegacyFields()...)
	fields = append(fields, logqueue.Field(1), entity.Field{
		Name: "metrics", Kind: entity.Array, Required: true, Default: defaults(),
		Elements: &entity.Field{Kind: entity.Rec, Fields: []entity.Field{
			{Name: "name", Kind: entity.String, Required: true, OneOf: []any{
				"kong_latency", "latency", "request_count", "request_size", "response_size", "upstream_latency",
			}},
			{Name: "stat_type", Kind: entity.String, Required: true, OneOf: []any{
				"counter", "gauge", "histogram", "set", "timer", "distribution",
			}},
			{Name: "tags", Kind: entity.Array, Elements: &entity.Field{Kind: entity.String}},
			{Name: "sample_rate", Kind: entity.Number, Between: &[2]float64{0, 1}},
			{Name: "consumer_identifier", Kind: entity.String, OneOf: stats.Identifiers()},
		}},
	})
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name, Config: fields, Checks: []entity.Check{stats.CheckMetrics(checkMetric)},
		},
		Priority: 10, New: newPlugin, RegisterMetrics: logentry.Declare(name),
	}
}

func checkMetric(m entity.Record) map[string]any {
	tags, _ := m["tags"].([]any)
	for _, t := range tags {
		if text, _ := t.(string); strings.HasSuffix(text, ":") {
			return map[string]any{"tags": fmt.Sprintf("invalid value '%s': a tag must not end with a colon", text)}
		}
	}
	return stats.NeedsRate(m)
}

// defaults are Kong's.
func defaults() []any {
	metric := func(name, kind string, rate any) any {
		m := map[string]any{"name": name, "stat_type": kind, "tags": []any{"app:kong"}, "consumer_identifier": "custom_id"}
		if rate != nil {
			m["sample_rate"] = rate
		}
		return m
	}
	return []any{
		metric("request_count", "counter", 1), metric("latency", "timer", nil), metric("request_size", "timer", nil),
		metric("response_size", "timer", nil), metric("upstream_latency", "timer", nil), metric("kong_latency", "timer", nil),
	}
}

// config is the configuration as it is stored.
type config struct {
	Host           string          `json:"host"`
	Port           int             `json:"port"`
	Prefix         string          `json:"prefix"`
	ServiceNameTag string          `json:"service_name_tag"`
	StatusTag      string          `json:"status_tag"`
	ConsumerTag    string          `json:"consumer_tag"`
	Metrics        []stats.Metric  `json:"metrics"`
	Queue          logqueue.Config `json:"queue"`
	logqueue.Legacy
}

type datadog struct{ config }

func newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	p := &datadog{}
	in := &p.config
	if err := plugin.DecodeConfig(c, in); err != nil {
		return nil, err
	}
	in.Apply(&in.Queue)
	to := &stats.Sender{Host: in.Host, Port: in.Port}
	return logentry.NewLogger(c, d, in.Queue, p.lines, to.Send, nil)
}

// lines are the metrics of a request, each on a line of its own.
func (p *datadog) lines(x *plugin.Exchange) []byte {
	v := stats.Of(x)
	var out []byte
	for i := range p.Metrics {
		m := &p.Metrics[i]
		n, ok := v.Value(m.Name)
		if !ok || !m.Sampled() {
			continue
		}
		if len(out) > 0 {
			out = append(out, '\n')
		}
		metric := strings.NewReplacer("request_", "request.", "response_", "response.").Replace(m.Name)
		out = fmt.Appendf(out, "%s.%s:%d|%s|#%s", p.Prefix, metric, n, m.Suffix(), strings.Join(p.tags(x, m, v.Status), ","))
	}
	return out
}

func (p *datadog) tags(x *plugin.Exchange, m *stats.Metric, status int) []string {
	service := ""
	if x.Service != nil {
		if service = x.Service.Name; service == "" {
			service = x.Service.Host
		}
	}
	tags := []string{p.ServiceNameTag + ":" + plain(service), p.StatusTag + ":" + strconv.Itoa(status)}
	if consumer := stats.Consumer(x.Consumer, m.ConsumerIdentifier); consumer != "" && m.ConsumerIdentifier != "" {
		tags = append(tags, p.ConsumerTag+":"+plain(consumer))
	}
	return append(tags, m.Tags...)
}

// plain is a value as a part of a tag: what ends tags is replaced.
func plain(s string) string { return strings.NewReplacer(",", "_", "|", "_", "\n", "_").Replace(s) }
