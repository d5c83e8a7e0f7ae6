package dashboards

func limits() Board {
	return Board{
		UID: "gatelab-limits", Title: "gatelab: limits",
		Description: "Whom rate limits refuse, and whether they can still count.",
		Variables:   []Variable{byJob, byInstance, byService, byRoute},
		Rows: []Row{
			{"Decisions", []Panel{
				{Title: "Decisions", Unit: "reqps", Stacked: true, Queries: []Query{{perSecond("gateway_ratelimit_decisions_total", gateways, "plugin, outcome"), "{{plugin}} {{outcome}}"}},
					Help: "failed_open: requests pass uncounted (runbook LimitStoreFailingOpen). failed_closed: they are refused with 500 because Redis is away."},
				{Title: "Share refused", Unit: "percentunit", Max: at(1), Queries: []Query{{`sum by (plugin) (rate(gateway_ratelimit_decisions_total{` + gateways + `,outcome="limited"}[$__rate_interval])) / sum by (plugin) (rate(gateway_ratelimit_decisions_total{` + gateways + `}[$__rate_interval]))`, "{{plugin}}"}},
					Help: "Normal is what the flooding consumers send above their share. A jump without a new flood: a limit was lowered, or an identifier groups more clients than meant (ip behind a proxy that is not trusted)."},
				{Title: "429s by origin and by us", Unit: "reqps", Queries: []Query{
					{`sum(rate(gateway_ratelimit_decisions_total{` + gateways + `,outcome="limited"}[$__rate_interval]))`, "by us"},
					{`sum(rate(gateway_requests_total{` + gateways + `,status="429"}[$__rate_interval])) - (sum(rate(gateway_ratelimit_decisions_total{` + gateways + `,outcome="limited"}[$__rate_interval])) or vector(0))`, "by the origin"}},
					Help: "By the origin above zero: it refuses what we let through (runbook OriginRateLimiting). By us only: limits protect it."},
				{Title: "429s by route", Unit: "reqps", Queries: []Query{{perSecond("gateway_requests_total", ofRoute+`,status="429"`, "service, route"), "{{service}} / {{route}}"}},
					Help: "Where clients are refused. A route that should have no limit: a plugin was put on the service or globally."},
			}},
			{"Counting", []Panel{
				{Title: "Round trips to Redis", Unit: "ops", Queries: []Query{
					{perSecond("gateway_ratelimit_redis_round_trips_total", gateways, "instance"), "{{instance}} round trips"},
					{perSecond("gateway_ratelimit_redis_requests_total", gateways, "instance"), "{{instance}} requests"}},
					Help: "Requests that waited together share a round trip. As many round trips as requests at high load: batching does not work, Redis pays for each."},
				{Title: "Failed round trips", Unit: "ops", Warn: at(0.1), Queries: []Query{{perSecond("gateway_ratelimit_redis_failures_total", gateways, "instance"), "{{instance}}"}},
					Help: "Each lets its requests pass or refuses them, as fault_tolerant says. Look at board stores, errors of Redis."},
				{Title: "Keys", Unit: "short", Queries: []Query{{`sum by (instance) (gateway_ratelimit_keys{` + gateways + `})`, "{{instance}}"}},
					Help: "Consumers or addresses that are remembered in memory. A steep rise: a flood from many addresses."},
				{Title: "Forgotten keys", Unit: "ops", Warn: at(1), Queries: []Query{{perSecond("gateway_ratelimit_evicted_total", gateways, "instance"), "{{instance}}"}},
					Help: "Keys dropped before their window was over, for lack of room: their limit starts anew. Use strategy redis for identifiers with very many values."},
			}},
		},
	}
}
