package ratelimiting

import (
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

func plainChecks() []entity.Check {
	return []entity.Check{
		{Describe: map[string]any{"at_least_one_of": []any{"second", "minute", "hour", "day", "month", "year"}}, Run: ascending},
		redisFor("policy"), identityNeeds("limit_by"), {Run: checkSyncRate}, {Run: checkExemptIPs},
	}
}

func advancedChecks() []entity.Check {
	return []entity.Check{
		redisFor("strategy"), identityNeeds("identifier"), {Run: pairedWindows}, {Run: checkBuckets},
		{Run: checkSyncRate}, {Run: checkExemptIPs},
	}
}

// redisFor is the check that redis names a server where the field named by says
// that requests are counted there.
func redisFor(by string) entity.Check {
	return entity.Check{Run: func(c entity.Record) map[string]any {
		where, _ := c[by].(string)
		if where == "" || where == "local" {
			return nil
		}
		problem := redisconfig.Problem(c)
		if r, _ := problem["redis"].(map[string]any); where == "cluster" && r["host"] != nil {
			r["host"] = fmt.Sprint(r["host"]) + ": cluster counts in Redis as leased does, not in the database"
		}
		return problem
	}}
}

// ascending wants at least one limit, none smaller than that of a shorter
// period.
func ascending(c entity.Record) map[string]any {
	var (
		last    float64
		shorter string
	)
	for _, p := range periods {
		n, ok := number(c[p])
		if !ok {
			continue
		}
		if shorter != "" && n < last {
			return map[string]any{"@entity": []any{
				fmt.Sprintf("The limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)", p, n, shorter, last),
			}}
		}
		last, shorter = n, p
	}
	if shorter == "" {
		return map[string]any{"@entity": []any{
			"at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'",
		}}
	}
	return nil
}

// identityNeeds requires header_name and path where the field named by needs
// them.
func identityNeeds(by string) entity.Check {
	return entity.Check{Run: func(c entity.Record) map[string]any {
		if c[by] == "header" && c["header_name"] == nil {
			return map[string]any{"header_name": "required field missing"}
		}
		if c[by] == "path" && c["path"] == nil {
			return map[string]any{"path": "required field missing"}
		}
		return nil
	}}
}

func pairedWindows(c entity.Record) map[string]any {
	limits, _ := c["limit"].([]any)
	sizes, _ := c["window_size"].([]any)
	if len(limits) != len(sizes) {
		return map[string]any{"@entity": []any{"You must provide the same number of windows and limits"}}
	}
	return nil
}

// tokenBucket is the window_type of buckets.
const tokenBucket = "token_bucket"

// checkBuckets refuses buckets that the limiter cannot keep.
func checkBuckets(c entity.Record) map[string]any {
	burst, _ := c["burst"].([]any)
	limits, _ := c["limit"].([]any)
	if c["window_type"] != tokenBucket {
		if burst != nil {
			return map[string]any{"burst": "only with window_type " + tokenBucket}
		}
		return nil
	}
	if burst != nil && len(burst) != len(limits) {
		return map[string]any{"burst": fmt.Sprintf("%d sizes for %d limits: want one for each", len(burst), len(limits))}
	}
	for name, list := range map[string][]any{"burst": burst, "limit": limits} {
		for _, v := range list {
			if n, ok := number(v); ok && n > limit.MaxBurst {
				return map[string]any{name: fmt.Sprintf("%.0f: want at most %d with window_type %s", n, limit.MaxBurst, tokenBucket)}
			}
		}
	}
	if n, _ := number(c["sync_rate"]); n > 0 {
		return map[string]any{"sync_rate": "token buckets are not exchanged: want 0 with window_type " + tokenBucket}
	}
	if c["strategy"] == "leased" || c["strategy"] == "cluster" {
		return map[string]any{"strategy": "token buckets are not leased: want local or redis with window_type " + tokenBucket}
	}
	if c["local_share"] == true {
		return map[string]any{"local_share": "token buckets are not shared: want false with window_type " + tokenBucket}
	}
	return nil
}

// checkSyncRate refuses a sync_rate that is neither a mode nor an interval.
func checkSyncRate(c entity.Record) map[string]any {
	if n, ok := number(c["sync_rate"]); ok && (n > 0 && n < leastSync || n < 0 && n != -1) {
		return map[string]any{"sync_rate": "value should be -1, 0, or at least 0.02 seconds"}
	}
	return nil
}

// number reads a number of a record that has been checked.
func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}
