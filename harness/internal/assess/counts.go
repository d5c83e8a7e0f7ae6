package assess

import (
	"math"
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// postgresOf is how the gateways used Postgres in all attacks; nil if they have no pool.
func postgresOf(all []*Recording) *result.Postgres {
	var out *result.Postgres
	for _, a := range all {
		pool := a.Pool()
		if !pool.Known {
			continue
		}
		if out == nil {
			out = &result.Postgres{MaxConns: new(pool.Max), InUseMax: new(0)}
		}
		out.InUseMax = new(max(*out.InUseMax, pool.InUse))
		if pool.WaitP99 != nil && (out.WaitMSP99 == nil || *pool.WaitP99 > *out.WaitMSP99) {
			out.WaitMSP99 = pool.WaitP99
		}
	}
	return out
}

// cacheOf is what the gateways' caches did in both attacks; nil where no cache
// was asked. The hit ratio is the clients' own view.
func cacheOf(all []*Recording) *result.Cache {
	const requests = "gateway_cache_requests_total"
	seen := map[string]uint64{}
	for _, a := range all {
		sum(seen, a.Result.CacheStatus)
	}
	asked := seen["Hit"] + seen["Miss"] + seen["Refresh"] + seen["Stale"]
	if asked == 0 {
		return nil
	}
	out := &result.Cache{
		HitRatio: new(float64(seen["Hit"]) / float64(asked)), Hits: new(seen["Hit"]), Misses: new(seen["Miss"] + seen["Refresh"]),
		Stale: grownBy(all, requests, "stale"), Coalesced: grownBy(all, requests, "coalesced"), Bypassed: new(seen["Bypass"]),
	}
	if o, ok := servedInAll(all); ok {
		out.OriginRequests = &o.Requests
	}
	return out
}

// grownBy is how much the gateways' counter of an outcome grew in all attacks; nil if no gateway has it.
func grownBy(all []*Recording, counter, outcome string) *uint64 {
	var n float64
	known := false
	for _, a := range all {
		if v, ok := readings.Grown(a.Readings, counter, "outcome", outcome); ok {
			n, known = n+v, true
		}
	}
	if !known {
		return nil
	}
	return new(uint64(max(0, n)))
}

// publishedOf are the published figures that the stage is compared with.
func publishedOf(m *Measurement) *result.Published {
	p := m.Stage.Published
	if p == nil {
		return nil
	}
	out := &result.Published{
		QPS: given(p.QPS), P50MS: given(p.P50Ms), P99MS: given(p.P99Ms),
		ErrorRate: given(p.ErrorRate), Availability: given(p.Availability),
	}
	if p.Connections > 0 {
		out.Connections = new(p.Connections)
	}
	return out
}

// availabilityOf is the share of good probes of all open attacks; nil without probes.
func availabilityOf(open []*Recording) *result.Availability {
	var failed, all uint64
	for _, a := range open {
		if a.Probes == nil {
			continue
		}
		for _, p := range a.Probes.Probes {
			all++
			if !p.OK {
				failed++
			}
		}
	}
	a, ok := measure.Available(failed, all)
	if !ok {
		return nil
	}
	return &result.Availability{Probes: a.Probes, Failed: a.Failed, Availability: a.Share, Low: a.Low, High: a.High}
}

// sum adds counts.
func sum(into, from map[string]uint64) {
	for k, n := range from {
		into[k] += n
	}
}

// servedInAll adds attacks up. ok is false if it is unknown of one of them.
func servedInAll(attacks []*Recording) (all readings.OriginTotals, ok bool) {
	for _, a := range attacks {
		one, known := readings.ServedIn(a.Readings)
		if !known {
			return readings.OriginTotals{}, false
		}
		all.Requests += one.Requests
		all.Refused += one.Refused
	}
	return all, len(attacks) > 0
}

// limitsOf is what rate limiting did; nil where there was none.
func limitsOf(s *scenario.Stage, all []*Recording) *result.Limits {
	out := &result.Limits{}
	if o, ok := servedInAll(all); ok {
		out.Origin429 = &o.Refused
	}
	const decisions = "gateway_ratelimit_decisions_total"
	out.Allowed, out.Limited = grownBy(all, decisions, "allowed"), grownBy(all, decisions, "limited")
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
func overAdmitted(s *scenario.Stage, all []*Recording) *uint64 {
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
			admitted := a.Result.ByRequest[q.Name].Successes
			// A request is decided on until its answer is there, and a window may
			// begin before the attack's.
			took := a.Result.Window() + max(a.Result.Corrected.Max(), a.Result.Service.Max())
			windows := math.Ceil(float64(took)/float64(limits[0].window)) + 1
			over += max(0, float64(admitted)-keys*limits[0].limit*windows)
		}
	}
	if !known {
		return nil
	}
	return new(uint64(over))
}
