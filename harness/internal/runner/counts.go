package runner

import (
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/report"
)

// poolUse is how the gateways' database pools were used.
type poolUse struct {
	known    bool
	max      int
	inUse    int
	waitP99  *float64 // ms
	waitMean float64  // seconds a look-up
}

func poolOf(readings []reading) poolUse {
	most, ok := highest(readings, "gateway_postgres_connections", "state", "max")
	if !ok {
		return poolUse{}
	}
	inUse, _ := highest(readings, "gateway_postgres_connections", "state", "in_use")
	p := poolUse{known: true, max: int(most), inUse: int(inUse)}
	h := histogramGrowth(readings, "gateway_postgres_acquire_seconds")
	if q, ok := bucketQuantile(h, 0.99); ok {
		p.waitP99 = ptr(q * 1000)
	}
	p.waitMean = bucketMean(h)
	return p
}

func postgresOf(_ *measured, all []*attacked) *report.Postgres {
	var out *report.Postgres
	for _, a := range all {
		if !a.pool.known {
			continue
		}
		if out == nil {
			out = &report.Postgres{MaxConns: ptr(a.pool.max), InUseMax: ptr(0)}
		}
		out.InUseMax = ptr(max(*out.InUseMax, a.pool.inUse))
		if a.pool.waitP99 != nil && (out.WaitMSP99 == nil || *a.pool.waitP99 > *out.WaitMSP99) {
			out.WaitMSP99 = a.pool.waitP99
		}
	}
	return out
}

// cacheOf is what the gateways' caches did in both attacks; nil where no cache
// was asked. The hit ratio is the clients' own view.
func cacheOf(all []*attacked) *report.Cache {
	outcome := func(name string) *uint64 {
		var n float64
		known := false
		for _, a := range all {
			if v, ok := grown(a.readings, "gateway_cache_requests_total", "outcome", name); ok {
				n, known = n+v, true
			}
		}
		if !known {
			return nil
		}
		return ptr(uint64(max(0, n)))
	}
	seen := map[string]uint64{}
	for _, a := range all {
		sum(seen, a.result.CacheStatus)
	}
	asked := seen["Hit"] + seen["Miss"] + seen["Refresh"] + seen["Stale"]
	if asked == 0 {
		return nil
	}
	out := &report.Cache{
		HitRatio: ptr(float64(seen["Hit"]) / float64(asked)), Hits: ptr(seen["Hit"]), Misses: ptr(seen["Miss"] + seen["Refresh"]),
		Stale: outcome("stale"), Coalesced: outcome("coalesced"), Bypassed: ptr(seen["Bypass"]),
	}
	if o, ok := servedInAll(all); ok {
		out.OriginRequests = &o.requests
	}
	return out
}

func publishedOf(m *measured) *report.Published {
	p := m.stage.Published
	if p == nil {
		return nil
	}
	known := func(v float64) *float64 {
		if v == 0 {
			return nil
		}
		return &v
	}
	out := &report.Published{QPS: known(p.QPS), P50MS: known(p.P50Ms), P99MS: known(p.P99Ms), ErrorRate: known(p.ErrorRate), Availability: known(p.Availability)}
	if p.Connections > 0 {
		out.Connections = ptr(p.Connections)
	}
	return out
}

func sloOf(m *measured, open *load.Result) *report.SLO {
	want := m.stage.SLO
	if open == nil || want.P99 == 0 && want.ErrorRate == 0 {
		return nil
	}
	out := &report.SLO{}
	met, known := true, true
	if want.P99 > 0 {
		out.P99MS = ptr(inMS(want.P99))
		if p := open.Corrected.Percentile(0.99); p != nil {
			met = met && *p <= *out.P99MS
		} else {
			known = false
		}
	}
	if want.ErrorRate > 0 {
		out.ErrorRate = ptr(want.ErrorRate)
		met = met && open.ErrorRate() <= want.ErrorRate
	}
	if known {
		out.Met = &met
	}
	return out
}

func availabilityOf(open []*attacked) *report.Availability {
	var failed, all uint64
	for _, a := range open {
		if a.probes == nil {
			continue
		}
		for _, p := range a.probes.Probes {
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
	return &report.Availability{Probes: a.Probes, Failed: a.Failed, Availability: a.Share, Low: a.Low, High: a.High}
}

func sum(into, from map[string]uint64) {
	for k, n := range from {
		into[k] += n
	}
}
