package runner

import (
	"math"
	"time"

	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// limitsOf is what rate limiting did; nil where there was none.
func limitsOf(s *scenario.Stage, all []*attacked) *report.Limits {
	out := &report.Limits{}
	if o, ok := servedInAll(all); ok {
		out.Origin429 = &o.refused
	}
	decided := func(outcome string) *uint64 {
		var n float64
		known := false
		for _, a := range all {
			if v, ok := grown(a.readings, "gateway_ratelimit_decisions_total", "outcome", outcome); ok {
				n, known = n+v, true
			}
		}
		if !known {
			return nil
		}
		return ptr(uint64(max(0, n)))
	}
	out.Allowed, out.Limited = decided("allowed"), decided("limited")
	if out.Allowed == nil && out.Limited == nil && (out.Origin429 == nil || *out.Origin429 == 0) {
		return nil
	}
	out.OverAdmitted = overAdmitted(s, all)
	return out
}

// quota is how many requests a consumer may make in each window.
type quota struct {
	limit  float64
	window time.Duration
}

// quotas are the limits by consumer in a tree of entities.
func quotas(v any) (out []quota) {
	switch x := v.(type) {
	case map[string]any:
		config, _ := x["config"].(map[string]any)
		if x["name"] == "rate-limiting-advanced" && config["identifier"] == "consumer" {
			limits, _ := config["limit"].([]any)
			windows, _ := config["window_size"].([]any)
			for i := range min(len(limits), len(windows)) {
				limit, _ := limits[i].(int64)
				seconds, _ := windows[i].(int64)
				out = append(out, quota{float64(limit), time.Duration(seconds) * time.Second})
			}
		}
		for _, e := range x {
			out = append(out, quotas(e)...)
		}
	case []any:
		for _, e := range x {
			out = append(out, quotas(e)...)
		}
	}
	return out
}

// overAdmitted is how many requests the gateways let through although the limit
// of their consumers was reached, at least: of the requests that are meant to be
// limited, those beyond what the limit allows in every window that the attacks
// touched. Nil where the stage has not one limit by consumer, or no consumers
// that are meant to reach it.
func overAdmitted(s *scenario.Stage, all []*attacked) *uint64 {
	limits := quotas(s.Entities)
	if len(limits) != 1 || limits[0].limit <= 0 || limits[0].window <= 0 {
		return nil
	}
	consumers := map[string]float64{}
	for _, g := range s.Workload.Consumers {
		consumers[g.Name] = float64(g.Count)
	}
	var over float64
	known := false
	for _, q := range s.Workload.Requests {
		var keys float64
		for _, name := range q.Consumers {
			keys += consumers[name]
		}
		if !q.LimitedOK || keys == 0 {
			continue
		}
		for _, a := range all {
			known = true
			// One that failed may never have reached the limit.
			admitted := a.result.ByRequest[q.Name].Successes
			// A request is decided on until its answer is there, and a window may
			// begin before the attack's.
			took := a.result.Window() + max(a.result.Corrected.Max(), a.result.Service.Max())
			windows := math.Ceil(float64(took)/float64(limits[0].window)) + 1
			over += max(0, float64(admitted)-keys*limits[0].limit*windows)
		}
	}
	if !known {
		return nil
	}
	return ptr(uint64(over))
}
