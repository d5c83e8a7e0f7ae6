package dashboards

func limits() Board {
	return Board{
		UID: "gatelab-limits", Title: "gatelab: limits",
		Description: "Which requests rate limits reject, and whether they can count them.",
		Variables:   []Variable{byJob, byInstance, byService, byRoute},
		Rows:        []Row{limitsDecisionsRow(), limitsCountingRow(), limitsLeasesRow(), limitsInFlightRow(), limitsTokensRow()},
	}
}

func limitsDecisionsRow() Row {
	return Row{"Decisions", []Panel{
		{
			Title: "Decisions", Unit: "reqps", Stacked: true,
			Queries: []Query{{
				perSecond("gateway_ratelimit_decisions_total", gateways, "plugin, outcome"),
				"{{plugin}} {{outcome}}",
			}},
			Help: "failed_open: requests pass uncounted (runbook LimitStoreFailingOpen). failed_closed: they are rejected " +
				"with 500 because Redis is unavailable.",
		},
		{
			Title: "Share rejected", Unit: "percentunit", Max: at(1),
			Queries: []Query{{
				`sum by (plugin) (rate(gateway_ratelimit_decisions_total{` + gateways + `,outcome="limited"}[$__rate_interval])) / ` +
					`sum by (plugin) (rate(gateway_ratelimit_decisions_total{` + gateways + `}[$__rate_interval]))`,
				"{{plugin}}",
			}},
			Help: "Normal is what flooding consumers send above their limit. A jump without a new flood: a limit was " +
				"lowered, or an identifier groups more clients than intended (ip behind a proxy that is not trusted).",
		},
		{
			Title: "429s by the origin and by the gateway", Unit: "reqps",
			Queries: []Query{
				{`sum(rate(gateway_ratelimit_decisions_total{` + gateways + `,outcome="limited"}[$__rate_interval]))`, "by the gateway"},
				{
					`sum(rate(gateway_requests_total{` + gateways + `,status="429"}[$__rate_interval])) - ` +
						`(sum(rate(gateway_ratelimit_decisions_total{` + gateways + `,outcome="limited"}[$__rate_interval])) or vector(0))`,
					"by the origin",
				},
			},
			Help: "By the origin above zero: it rejects what the gateway forwards (runbook OriginRateLimiting). By the " +
				"gateway only: limits protect the origin.",
		},
		{
			Title: "429s by route", Unit: "reqps",
			Queries: []Query{{
				perSecond("gateway_requests_total", ofRoute+`,status="429"`, "service, route"),
				"{{service}} / {{route}}",
			}},
			Help: "Where clients are rejected. A route that should have no limit: a plugin was configured on the service or " +
				"globally.",
		},
	}}
}

func limitsCountingRow() Row {
	return Row{"Counting", []Panel{
		{
			Title: "Round trips to Redis", Unit: "ops",
			Queries: []Query{
				{perSecond("gateway_ratelimit_redis_round_trips_total", gateways, "instance"), "{{instance}} round trips"},
				{perSecond("gateway_ratelimit_redis_requests_total", gateways, "instance"), "{{instance}} requests"}},
			Help: "Requests that wait at the same time share a round trip. As many round trips as requests at high load: " +
				"batching does not work, each request costs Redis a command.",
		},
		{
			Title: "Failed round trips", Unit: "ops", Warn: at(0.1),
			Queries: []Query{{perSecond("gateway_ratelimit_redis_failures_total", gateways, "instance"), "{{instance}}"}},
			Help: "The requests of each are allowed or rejected according to fault_tolerant. See board stores, errors of " +
				"Redis.",
		},
		{
			Title: "Keys", Unit: "short",
			Queries: []Query{{`sum by (instance) (gateway_ratelimit_keys{` + gateways + `})`, "{{instance}}"}},
			Help:    "Consumers or addresses with counters in memory. A steep rise: a flood from many addresses.",
		},
		{
			Title: "Evicted keys", Unit: "ops", Warn: at(1),
			Queries: []Query{{perSecond("gateway_ratelimit_evicted_total", gateways, "instance"), "{{instance}}"}},
			Help: "Keys evicted before the end of their window: their limit starts again. Use strategy redis for " +
				"identifiers with very many values.",
		},
	}}
}
