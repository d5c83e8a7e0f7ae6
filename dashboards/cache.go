package dashboards

const hitRatio = `(sum(rate(gateway_cache_requests_total{` + gateways +
	`,outcome=~"hit|stale|coalesced"}[$__rate_interval])) or vector(0))` +
	` / sum(rate(gateway_cache_requests_total{` + gateways + `,outcome!="bypass"}[$__rate_interval]))`

func cache() Board {
	return Board{
		UID: "gatelab-cache", Title: "gatelab: cache",
		Description: "What the response cache serves, from which tier, and its cost.",
		Variables:   []Variable{byJob, byInstance},
		Rows:        []Row{cacheOutcomeRow(), cacheMemoryRow()},
	}
}

func cacheOutcomeRow() Row {
	return Row{"Outcome", []Panel{
		{
			Title: "Hit ratio", Unit: "percentunit", Max: at(1),
			Queries: []Query{{hitRatio, "without the origin"}},
			Help: "Requests answered without the origin (hit, stale, coalesced), as a share of cacheable requests. A drop " +
				"to half: runbook CacheHitRatioCollapsed.",
		},
		{
			Title: "Requests by outcome", Unit: "reqps", Stacked: true,
			Queries: []Query{{perSecond("gateway_cache_requests_total", gateways, "outcome, tier"), "{{outcome}} {{tier}}"}},
			Help: "Much bypass: the plugin's content_type, request_method or the client's Cache-Control. Much miss: TTL too " +
				"short, too many variants, or Redis is unavailable.",
		},
		{
			Title: "Hit ratio by replica", Unit: "percentunit", Max: at(1),
			Queries: []Query{{
				`sum by (instance) (rate(gateway_cache_requests_total{` + gateways + `,outcome=~"hit|stale|coalesced"}[$__rate_interval])) / ` +
					`sum by (instance) (rate(gateway_cache_requests_total{` + gateways + `,outcome!="bypass"}[$__rate_interval]))`,
				"{{instance}}",
			}},
			Help: "A replica that was just started is lower until its memory is filled from Redis. One that stays lower " +
				"cannot reach Redis: board stores.",
		},
	}}
}

func cacheMemoryRow() Row {
	return Row{"Memory", []Panel{
		{
			Title: "Memory tier", Unit: "bytes",
			Queries: []Query{{`sum by (instance) (gateway_cache_bytes{` + gateways + `})`, "{{instance}}"}},
			Help: "Bytes of responses in each replica's memory. At its limit (cache_memory) entries are evicted, which is " +
				"fine while the hit ratio is stable.",
		},
		{
			Title: "Entries", Unit: "short",
			Queries: []Query{{`sum by (instance) (gateway_cache_entries{` + gateways + `})`, "{{instance}}"}},
			Help: "Entries in memory. Unbounded growth at a constant hit ratio: variants that are not requested again, " +
				"check vary_headers and vary_query_params.",
		},
		{
			Title: "Evictions", Unit: "ops",
			Queries: []Query{{perSecond("gateway_cache_evictions_total", gateways, "instance"), "{{instance}}"}},
			Help: "Entries that were evicted for lack of memory or have expired. Many, with a falling hit ratio: raise " +
				"cache_memory.",
		},
		{
			Title: "Dropped writes to Redis", Unit: "ops", Warn: at(1),
			Queries: []Query{{perSecond("gateway_cache_redis_write_drops_total", gateways, "reason"), "{{reason}}"}},
			Help: "queue: Redis is slower than the rate of misses, raise cache_write_queue or check Redis. redis: it is " +
				"unavailable. purged: harmless.",
		},
	}}
}
