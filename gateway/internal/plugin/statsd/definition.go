// Package statsd is Kong's plugin statsd: it sends metrics of every request to a
// StatsD server.
package statsd

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/plugin/stats"
)

const name = "statsd"

// Definition declares the plugin.
func Definition() plugin.Definition {
	text := func(name, fallback string, values ...any) entity.Field {
		return entity.Field{Name: name, Kind: entity.String, Required: true, Default: fallback, OneOf: values}
	}
	flag := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Boolean, Default: false}
	}
	fields := []entity.Field{
		{Name: "host", Kind: entity.String, Default: "localhost", Match: "host"},
		{Name: "port", Kind: entity.Integer, Default: 8125, Between: &[2]float64{0, 65535}},
		{Name: "prefix", Kind: entity.String, Default: "kong"},
		{Name: "metrics", Kind: entity.Array, Default: defaults(), Elements: &entity.Field{Kind: entity.Rec, Fields: metric()}},
		{
			Name: "allow_status_codes", Kind: entity.Array,
			Elements: &entity.Field{Kind: entity.String, Match: "status_range"},
		},
		{Name: "udp_packet_size", Kind: entity.Number, Default: 0, Between: &[2]float64{0, 65507}},
		flag("use_tcp"), flag("hostname_in_prefix"),
		text("consumer_identifier_default", "custom_id", stats.Identifiers()...),
		text("service_identifier_default", "service_name_or_host", services...),
		text("workspace_identifier_default", "workspace_id", workspaces...),
	}
	fields = append(fields, logqueue.LegacyFields()...)
	fields = append(fields,
		entity.Field{Name: "tag_style", Kind: entity.String, OneOf: []any{"dogstatsd", "influxdb", "librato", "signalfx"}},
		logqueue.Field(1))
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name, Config: fields, Checks: []entity.Check{stats.CheckMetrics(checkMetric)},
		},
		Priority: 11, New: newPlugin, RegisterMetrics: logentry.Declare(name),
	}
}

var (
	services   = []any{"service_id", "service_name", "service_host", "service_name_or_host"}
	workspaces = []any{"workspace_id", "workspace_name"}
)

func metric() []entity.Field {
	return []entity.Field{
		{Name: "name", Kind: entity.String, Required: true, OneOf: []any{
			"kong_latency", "latency", "request_count", "request_per_user", "request_size", "response_size", "status_count",
			"status_count_per_user", "unique_users", "upstream_latency", "status_count_per_workspace",
			"status_count_per_user_per_route", "shdict_usage",
		}},
		{Name: "stat_type", Kind: entity.String, Required: true, OneOf: []any{"counter", "gauge", "histogram", "meter", "set", "timer"}},
		{Name: "sample_rate", Kind: entity.Number, Between: &[2]float64{1e-9, entity.MaxWhole}},
		{Name: "consumer_identifier", Kind: entity.String, OneOf: stats.Identifiers()},
		{Name: "service_identifier", Kind: entity.String, OneOf: services},
		{Name: "workspace_identifier", Kind: entity.String, OneOf: workspaces},
	}
}

// defaults are Kong's. shdict_usage is one of them, and sends nothing here.
func defaults() []any {
	counter := func(name string) any {
		return map[string]any{"name": name, "stat_type": "counter", "sample_rate": 1}
	}
	timer := func(name string) any { return map[string]any{"name": name, "stat_type": "timer"} }
	return []any{
		counter("request_count"), timer("latency"), timer("request_size"), counter("status_count"), timer("response_size"),
		map[string]any{"name": "unique_users", "stat_type": "set"},
		counter("request_per_user"), timer("upstream_latency"), timer("kong_latency"), counter("status_count_per_user"),
		counter("status_count_per_workspace"), counter("status_count_per_user_per_route"),
		map[string]any{"name": "shdict_usage", "stat_type": "gauge", "sample_rate": 1},
	}
}

// checkMetric has Kong's rules.
func checkMetric(m entity.Record) map[string]any {
	for _, errs := range []map[string]any{
		stats.NeedsType(m, "set", "unique_users"), stats.NeedsRate(m),
		stats.NeedsType(m, "counter", "status_count", "status_count_per_user", "status_count_per_workspace",
			"status_count_per_user_per_route", "request_per_user"),
		stats.NeedsType(m, "gauge", "shdict_usage"),
	} {
		if errs != nil {
			return errs
		}
	}
	return nil
}
