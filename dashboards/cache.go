package dashboards

const hitRatio = `(sum(rate(gateway_cache_requests_total{` + gateways + `,outcome=~"hit|stale|coalesced"}[$__rate_interval])) or vector(0))` +
	` / sum(rate(gateway_cache_requests_total{` + gateways + `,outcome!="bypass"}[$__rate_interval]))`

func cache() Board {
	return Board{
		UID: "gatelab-cache", Title: "gatelab: cache",
		Description: "What the response cache answers, from where, and what it costs.",
		Variables:   []Variable{byJob, byInstance},
		Rows: []Row{
			{"Outcome", []Panel{
				{Title: "Hit ratio", Unit: "percentunit", Max: at(1), Queries: []Query{{hitRatio, "without the origin"}},
					Help: "Requests that needed no origin (hit, stale, coalesced), of those in which the cache took part. A fall to half: runbook CacheHitRatioCollapsed."},
				{Title: "Requests by outcome", Unit: "reqps", Stacked: true, Queries: []Query{{perSecond("gateway_cache_requests_total", gateways, "outcome, tier"), "{{outcome}} {{tier}}"}},
					Help: "Much bypass: the plugin's content_type, request_method or the client's Cache-Control. Much miss: TTL too short, too many variants, or Redis away."},
				{Title: "Hit ratio by replica", Unit: "percentunit", Max: at(1), Queries: []Query{{`sum by (instance) (rate(gateway_cache_requests_total{` + gateways + `,outcome=~"hit|stale|coalesced"}[$__rate_interval])) / sum by (instance) (rate(gateway_cache_requests_total{` + gateways + `,outcome!="bypass"}[$__rate_interval]))`, "{{instance}}"}},
					Help: "A replica that was just started is lower until its memory has filled from Redis. One that stays lower does not reach Redis: board stores."},
			}},
			{"Room", []Panel{
				{Title: "Memory tier", Unit: "bytes", Queries: []Query{{`sum by (instance) (gateway_cache_bytes{` + gateways + `})`, "{{instance}}"}},
					Help: "Bytes of responses in each replica's memory. At its limit (cache_memory) it evicts; that is fine while the hit ratio holds."},
				{Title: "Entries", Unit: "short", Queries: []Query{{`sum by (instance) (gateway_cache_entries{` + gateways + `})`, "{{instance}}"}},
					Help: "Entries in memory. Growth without an end at a constant hit ratio: variants that nobody asks for again, look at vary_headers and vary_query_params."},
				{Title: "Evictions", Unit: "ops", Queries: []Query{{perSecond("gateway_cache_evictions_total", gateways, "instance"), "{{instance}}"}},
					Help: "Entries given up for want of room or at their end. Many, with a falling hit ratio: raise cache_memory."},
				{Title: "Dropped writes to Redis", Unit: "ops", Warn: at(1), Queries: []Query{{perSecond("gateway_cache_redis_write_drops_total", gateways, "reason"), "{{reason}}"}},
					Help: "queue: Redis is slower than misses come, raise cache_write_queue or look at Redis. redis: it is away. purged: harmless."},
			}},
		},
	}
}
