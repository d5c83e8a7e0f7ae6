package dashboards

const (
	errorRate   = `sum(rate(gateway_requests_total{` + ofRoute + `,status=~"5.."}[$__rate_interval]))`
	requestRate = `sum(rate(gateway_requests_total{` + ofRoute + `}[$__rate_interval]))`
)

func overview() Board {
	return Board{
		UID: "gatelab-overview", Title: "gatelab: overview",
		Description: "What clients of the gateway see. Start here; the other boards show the causes.",
		Variables:   []Variable{byJob, byInstance, byService, byRoute},
		Rows:        []Row{overviewNowRow(), overviewTrafficAndErrorsRow(), overviewLatencyRow(), overviewObjectivesRow()},
	}
}

func overviewNowRow() Row {
	return Row{"Now", []Panel{
		{
			Title: "Requests", Kind: Number, Unit: "reqps", Width: 5,
			Queries: []Query{{requestRate, "requests"}},
			Help: "Responses per second. A sudden drop while clients are active: check the load balancer and the replicas " +
				"(runbook GatewayReplicaDown).",
		},
		{
			Title: "Error ratio", Kind: Number, Unit: "percentunit", Width: 5, Warn: at(0.01),
			Queries: []Query{{`(` + errorRate + ` or vector(0)) / ` + requestRate, "5xx"}},
			Help:    "Share of 5xx. Above 1% runbook GatewayErrorRateHigh applies: find the status and the route below.",
		},
		{
			Title: "p99", Kind: Number, Unit: "s", Width: 5, Warn: at(0.5),
			Queries: quantiles("gateway_request_duration_seconds_bucket", ofService, "")[2:],
			Help: "One request in a hundred takes longer. Above 500 ms runbook GatewayLatencyP99High applies; the board " +
				"upstreams shows whether the upstreams or the gateway are slow.",
		},
		{
			Title: "Cache hits", Kind: Number, Unit: "percentunit", Width: 5,
			Queries: []Query{{hitRatio, "hits"}},
			Help: "Share of cacheable requests that were answered without the origin. If it falls, the origin gets more " +
				"requests: board cache.",
		},
		{
			Title: "Replicas up", Kind: Number, Unit: "short", Width: 4,
			Queries: []Query{{`sum(up{` + gateways + `})`, "up"}},
			Help:    "Replicas that Prometheus can scrape. Fewer than expected: runbook GatewayReplicaDown.",
		},
	}}
}

func overviewTrafficAndErrorsRow() Row {
	return Row{"Traffic and errors", []Panel{
		{
			Title: "Requests by route", Unit: "reqps", Stacked: true,
			Queries: []Query{{perSecond("gateway_requests_total", ofRoute, "service, route"), "{{service}} / {{route}}"}},
			Help: "Traffic by route. An empty route is a request that matched none (404): a route was deleted, or a client " +
				"uses a wrong path.",
		},
		{
			Title: "Responses by status", Unit: "reqps", Stacked: true,
			Queries: []Query{{perSecond("gateway_requests_total", ofRoute, "status"), "{{status}}"}},
			Help: "Distribution of responses. 429: board limits. 401: a key was revoked. 502 or 504: board upstreams. 503: " +
				"board stores.",
		},
		{
			Title: "Errors by status", Unit: "reqps",
			Queries: []Query{{perSecond("gateway_requests_total", ofRoute+`,status=~"5.."`, "status"), "{{status}}"}},
			Help: "5xx only. 502 and 504 come from upstreams, 503 from the Postgres pool or a missing configuration, 500 " +
				"from a bug or a limit that fails closed.",
		},
		{
			Title: "Errors by route", Unit: "reqps",
			Queries: []Query{{
				perSecond("gateway_requests_total", ofRoute+`,status=~"5.."`, "service, route"),
				"{{service}} / {{route}}",
			}},
			Help: "One route: its upstream. All routes: the gateway or its stores.",
		},
		{
			Title: "Requests by replica", Unit: "reqps",
			Queries: []Query{{perSecond("gateway_requests_total", ofRoute, "instance"), "{{instance}}"}},
			Help: "Should be even. One at zero was removed by the load balancer; one much higher: the load-balancing " +
				"method, or long-lived connections.",
		},
		{
			Title: "In flight", Unit: "short",
			Queries: []Query{{`sum by (instance) (gateway_in_flight_requests{` + gateways + `})`, "{{instance}}"}},
			Help: "Requests in progress. If it grows at a constant rate, a dependency has become slow: latency by service " +
				"shows which.",
		},
	}}
}

func overviewLatencyRow() Row {
	return Row{"Latency", []Panel{
		{
			Title: "Latency", Unit: "s", Width: 12, Warn: at(0.5),
			Queries: quantiles("gateway_request_duration_seconds_bucket", ofService, ""),
			Help: "From a request's arrival to its response's end. If only p99 rises: a slow target, garbage collection or " +
				"a waiting pool. If p50 rises too: load or the upstream.",
		},
		{
			Title: "p99 by service", Unit: "s", Width: 12, Warn: at(0.5),
			Queries: quantiles("gateway_request_duration_seconds_bucket", ofService, "service")[2:],
			Help:    "Which service is slow. One: ask its owners. All: look at the gateway (board runtime) and its stores.",
		},
	}}
}

func overviewObjectivesRow() Row {
	return Row{"Objectives", []Panel{
		{
			Title: "Availability burn rate", Unit: "short", Width: 12, Warn: at(14.4),
			Queries: []Query{
				{`job:gateway_error_ratio:rate1h{job=~"$job"} / 0.001`, "{{job}} 1 h"},
				{`job:gateway_error_ratio:rate6h{job=~"$job"} / 0.001`, "{{job}} 6 h"},
			},
			Help: "How fast the error budget of 30 days (0.1%) is used up, as a multiple of the sustainable rate. Above " +
				"14.4 over an hour an alert fires (runbook AvailabilityBudgetBurnFast).",
		},
		{
			Title: "Latency burn rate", Unit: "short", Width: 12, Warn: at(14.4),
			Queries: []Query{
				{`job:gateway_slow_ratio:rate1h{job=~"$job"} / 0.01`, "{{job}} 1 h"},
				{`job:gateway_slow_ratio:rate6h{job=~"$job"} / 0.01`, "{{job}} 6 h"},
			},
			Help: "The same for the 1% of requests that may take longer than 500 ms (runbook LatencyBudgetBurnFast).",
		},
	}}
}
