package dashboards

// limitsLeasesRow is what replicas hold of limits that are leased.
func limitsLeasesRow() Row {
	per := func(name string) string { return perSecond(name, gateways, "instance") }
	ratio := func(of, to string) string {
		return "sum by (instance) (rate(" + of + "{" + gateways + "}[$__rate_interval])) / sum by (instance) (rate(" + to + "{" + gateways +
			"}[$__rate_interval]))"
	}
	return Row{"Leases", []Panel{
		{
			Title: "Permits leased, given back", Unit: "ops",
			Queries: []Query{
				{per("gateway_ratelimit_leased_total"), "{{instance}} leased"}, {per("gateway_ratelimit_returned_total"), "{{instance}} given back"},
			},
			Help: "Permits that replicas took ahead of requests. None with traffic: no plugin has policy leased.",
		},
		{
			Title: "Share given back", Unit: "percentunit", Max: at(1), Warn: at(0.5),
			Queries: []Query{{ratio("gateway_ratelimit_returned_total", "gateway_ratelimit_leased_total"), "{{instance}}"}},
			Help: "Much: demand comes in short bursts, or balancers send a key's requests to another replica each time. Leases " +
				"save little then.",
		},
		{
			Title: "Waits for Redis per decision", Unit: "percentunit", Max: at(1),
			Queries: []Query{{
				"sum by (instance) (rate(gateway_ratelimit_redis_round_trips_total{" + gateways + "}[$__rate_interval])) / " +
					"sum by (instance) (rate(gateway_ratelimit_decisions_total{" + gateways + `,plugin=~"rate-limiting.*"}[$__rate_interval]))`,
				"{{instance}}",
			}},
			Help: "Round trips for each decision. With leases at most a tenth under load; limits below a hundred per window are " +
				"asked for one by one.",
		},
	}}
}

// limitsInFlightRow is what concurrency-limiting and adaptive-concurrency count.
func limitsInFlightRow() Row {
	return Row{"Requests in flight", []Panel{
		{
			Title: "Limits of upstreams, and what is in flight", Unit: "short",
			Queries: []Query{
				{"sum by (instance, upstream) (gateway_adaptive_concurrency_limit{" + gateways + "})", "{{instance}} {{upstream}} limit"},
				{"sum by (instance, upstream) (gateway_adaptive_concurrency_in_flight{" + gateways + "})", "{{instance}} {{upstream}} in flight"},
			},
			Help: "adaptive-concurrency lowers the limit while an upstream is slower than its baseline. A limit that stays low: the " +
				"upstream can do less than before.",
		},
		{
			Title: "Requests shed", Unit: "reqps", Stacked: true,
			Queries: []Query{{perSecond("gateway_concurrency_shed_total", gateways, "plugin, reason"), "{{plugin}} {{reason}}"}},
			Help: "Refused because too many were in flight. low before normal before high: the upstream is overloaded and the " +
				"important requests pass. high: add targets.",
		},
		{
			Title: "Baseline latency", Unit: "s",
			Queries: []Query{{
				"max by (instance, upstream) (gateway_adaptive_concurrency_baseline_seconds{" + gateways + "})", "{{instance}} {{upstream}}",
			}},
			Help: "What an upstream needs when it is not crowded. A step: a release of it, or of what it depends on.",
		},
		{
			Title: "In flight by clients", Unit: "short",
			Queries: []Query{{"sum by (instance) (gateway_concurrency_in_flight{" + gateways + "})", "{{instance}}"}},
			Help:    "Requests that concurrency-limiting counts. It rises with their duration, too: see the latency of upstreams.",
		},
	}}
}
