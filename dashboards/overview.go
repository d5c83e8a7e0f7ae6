package dashboards

func overview() Board {
	const errors = `sum(rate(gateway_requests_total{` + ofRoute + `,status=~"5.."}[$__rate_interval]))`
	const all = `sum(rate(gateway_requests_total{` + ofRoute + `}[$__rate_interval]))`
	return Board{
		UID: "gatelab-overview", Title: "gatelab: overview",
		Description: "What clients of the gateway see. Start here; the other boards say why.",
		Variables:   []Variable{byJob, byInstance, byService, byRoute},
		Rows: []Row{
			{"Now", []Panel{
				{Title: "Requests", Kind: Number, Unit: "reqps", Width: 5, Queries: []Query{{all, "requests"}},
					Help: "Requests answered a second. A sudden fall with clients still there: look at the load balancer and at replicas (runbook GatewayReplicaDown)."},
				{Title: "Error ratio", Kind: Number, Unit: "percentunit", Width: 5, Warn: at(0.01), Queries: []Query{{`(` + errors + ` or vector(0)) / ` + all, "5xx"}},
					Help: "Share of 5xx. Above 1% runbook GatewayErrorRateHigh applies: find the status and the route below."},
				{Title: "p99", Kind: Number, Unit: "s", Width: 5, Warn: at(0.5), Queries: quantiles("gateway_request_duration_seconds_bucket", ofService, "")[2:],
					Help: "One request in a hundred takes longer. Above 500 ms runbook GatewayLatencyP99High applies; the board upstreams tells whether it is them or us."},
				{Title: "Cache hits", Kind: Number, Unit: "percentunit", Width: 5, Queries: []Query{{hitRatio, "hits"}},
					Help: "Share of requests in which the cache took part that needed no origin. If it falls, the origin gets more: board cache."},
				{Title: "Replicas up", Kind: Number, Unit: "short", Width: 4, Queries: []Query{{`sum(up{` + gateways + `})`, "up"}},
					Help: "Replicas that Prometheus can scrape. Fewer than were started: runbook GatewayReplicaDown."},
			}},
			{"Traffic and errors", []Panel{
				{Title: "Requests by route", Unit: "reqps", Stacked: true, Queries: []Query{{perSecond("gateway_requests_total", ofRoute, "service, route"), "{{service}} / {{route}}"}},
					Help: "Who is asked. An empty route is a request that matched none (404): a route was deleted, or a client uses a wrong path."},
				{Title: "Responses by status", Unit: "reqps", Stacked: true, Queries: []Query{{perSecond("gateway_requests_total", ofRoute, "status"), "{{status}}"}},
					Help: "Distribution of answers. 429: board limits. 401: a key was revoked. 502 or 504: board upstreams. 503: board stores."},
				{Title: "Errors by status", Unit: "reqps", Queries: []Query{{perSecond("gateway_requests_total", ofRoute+`,status=~"5.."`, "status"), "{{status}}"}},
					Help: "5xx only. 502 and 504 come from the way to an upstream, 503 from the Postgres pool or a missing configuration, 500 from a bug or a limit that fails closed."},
				{Title: "Errors by route", Unit: "reqps", Queries: []Query{{perSecond("gateway_requests_total", ofRoute+`,status=~"5.."`, "service, route"), "{{service}} / {{route}}"}},
					Help: "One route: its upstream. All routes: the gateway or its stores."},
				{Title: "Requests by replica", Unit: "reqps", Queries: []Query{{perSecond("gateway_requests_total", ofRoute, "instance"), "{{instance}}"}},
					Help: "Should be even. One at zero was taken out by the load balancer; one much higher: the balancer's method, or long-lived connections."},
				{Title: "In flight", Unit: "short", Queries: []Query{{`sum by (instance) (gateway_in_flight_requests{` + gateways + `})`, "{{instance}}"}},
					Help: "Requests being worked on. If it grows while the rate stays, something below got slow: latency by service shows which."},
			}},
			{"Latency", []Panel{
				{Title: "Latency", Unit: "s", Width: 12, Warn: at(0.5), Queries: quantiles("gateway_request_duration_seconds_bucket", ofService, ""),
					Help: "From a request's arrival to its response's end. If only p99 rises: a slow target, garbage collection or a waiting pool. If p50 rises too: load or the upstream."},
				{Title: "p99 by service", Unit: "s", Width: 12, Warn: at(0.5), Queries: quantiles("gateway_request_duration_seconds_bucket", ofService, "service")[2:],
					Help: "Which service is slow. One: ask its owners. All: look at the gateway (board runtime) and its stores."},
			}},
			{"Objectives", []Panel{
				{Title: "Availability burn rate", Unit: "short", Width: 12, Warn: at(14.4), Queries: []Query{{`job:gateway_error_ratio:rate1h{job=~"$job"} / 0.001`, "{{job}} 1 h"}, {`job:gateway_error_ratio:rate6h{job=~"$job"} / 0.001`, "{{job}} 6 h"}},
					Help: "How many times too fast the 0.1% of errors that 30 days allow are used. 1 is sustainable; above 14.4 in the hour somebody is called (runbook AvailabilityBudgetBurnFast)."},
				{Title: "Latency burn rate", Unit: "short", Width: 12, Warn: at(14.4), Queries: []Query{{`job:gateway_slow_ratio:rate1h{job=~"$job"} / 0.01`, "{{job}} 1 h"}, {`job:gateway_slow_ratio:rate6h{job=~"$job"} / 0.01`, "{{job}} 6 h"}},
					Help: "The same for the 1% of requests that may take longer than 500 ms (runbook LatencyBudgetBurnFast)."},
			}},
		},
	}
}
