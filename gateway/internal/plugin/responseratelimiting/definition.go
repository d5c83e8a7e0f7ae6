// Package responseratelimiting is Kong's plugin response-ratelimiting: it limits
// clients by what the upstream says of its responses in a header field.
package responseratelimiting

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

var periods = [...]string{"second", "minute", "hour", "day", "month", "year"}

// Definition declares the plugin.
func Definition() plugin.Definition {
	seen := newMemory()
	fields := []entity.Field{
		{Name: "header_name", Kind: entity.String, Match: "header", Default: "x-kong-limit"},
		{Name: "limit_by", Kind: entity.String, Default: "consumer", OneOf: []any{"consumer", "credential", "ip"}},
		{Name: "policy", Kind: entity.String, Default: "local", OneOf: []any{"local", "cluster", "redis"}},
		{
			Name: "fault_tolerant", Kind: entity.Boolean, Required: true, Default: true,
			Only: &entity.Only{Value: true, Why: "while Redis is not available, each replica counts separately"},
		},
	}
	for _, f := range redisconfig.Server() {
		f.Name = "redis_" + f.Name
		fields = append(fields, f)
	}
	fields = append(fields,
		entity.Field{Name: "block_on_first_violation", Kind: entity.Boolean, Required: true, Default: false},
		entity.Field{Name: "hide_client_headers", Kind: entity.Boolean, Required: true, Default: false},
		entity.Field{
			Name: "limits", Kind: entity.Map, Required: true, LenMin: 1, Keys: &entity.Field{Kind: entity.String, Match: "header"},
			Elements: &entity.Field{Kind: entity.Rec, Required: true, Fields: windowFields()},
		},
	)
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "response-ratelimiting", Config: fields, Checks: []entity.Check{{Run: checkPolicy}, {Run: checkLimits}},
		},
		Priority: 900,
		New:      seen.newPlugin,
	}
}

func windowFields() []entity.Field {
	fields := make([]entity.Field, 0, len(periods))
	for _, p := range periods {
		fields = append(fields, entity.Field{Name: p, Kind: entity.Number, Between: &[2]float64{1, entity.MaxWhole}})
	}
	return fields
}

func checkPolicy(c entity.Record) map[string]any {
	switch {
	case c["policy"] == "cluster":
		return map[string]any{"policy": "cluster is not supported: counting in the database is the bottleneck that redis avoids; " +
			"expected one of: local, redis"}
	case c["policy"] == "redis" && c["redis_host"] == nil:
		return map[string]any{"redis_host": "required field missing"}
	}
	return nil
}

// checkLimits wants each limit to have a window, none with a smaller limit than a
// shorter one.
func checkLimits(c entity.Record) map[string]any {
	limits, _ := c["limits"].(map[string]any)
	if len(limits) == 0 {
		return map[string]any{"limits": "length must be at least 1"}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if why := checkWindows(limits[name]); why != "" {
			return map[string]any{"limits": name + ": " + why}
		}
	}
	return nil
}

func checkWindows(v any) string {
	of, _ := v.(map[string]any)
	shorter, last := "", 0.0
	for _, p := range periods {
		n, ok := number(of[p])
		switch {
		case !ok:
			continue
		case shorter != "" && n < last:
			return fmt.Sprintf("the limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)", p, n, shorter, last)
		}
		shorter, last = p, n
	}
	if shorter == "" {
		return "at least one of these fields must be non-empty: '" + strings.Join(periods[:], "', '") + "'"
	}
	return ""
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}
