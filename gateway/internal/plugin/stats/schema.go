package stats

import (
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Identifiers are the ways to name a consumer.
func Identifiers() []any { return []any{"consumer_id", "custom_id", "username"} }

// CheckMetrics is a rule for every element of the array "metrics": it returns a
// message by field, nil where there is nothing to say.
func CheckMetrics(rule func(m entity.Record) map[string]any) entity.Check {
	return entity.Check{Run: func(c entity.Record) map[string]any {
		list, _ := c["metrics"].([]any)
		for i, e := range list {
			m, ok := e.(map[string]any)
			if !ok {
				continue
			}
			if errs := rule(m); errs != nil {
				return map[string]any{"metrics": append(make([]any, i), errs)}
			}
		}
		return nil
	}}
}

// NeedsRate is Kong's rule that counters and gauges have a sample_rate.
func NeedsRate(m entity.Record) map[string]any {
	if kind := m["stat_type"]; (kind == "counter" || kind == "gauge") && m["sample_rate"] == nil {
		return map[string]any{"sample_rate": "required field missing"}
	}
	return nil
}

// NeedsType wants metrics of some names to have one type.
func NeedsType(m entity.Record, kind string, names ...string) map[string]any {
	for _, name := range names {
		if m["name"] == name && m["stat_type"] != kind {
			return map[string]any{"stat_type": fmt.Sprintf("value must be %s", kind)}
		}
	}
	return nil
}
