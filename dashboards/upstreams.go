package dashboards

func upstreams() Board {
	return Board{
		UID: "gatelab-upstreams", Title: "gatelab: upstreams and health",
		Description: "Upstreams and their targets, and whether all replicas serve the same configuration.",
		Variables:   []Variable{byJob, byInstance, byService},
		Rows:        []Row{upstreamsLatencyRow(), upstreamsTargetsRow(), upstreamsConfigurationRow()},
	}
}

func upstreamsLatencyRow() Row {
	return Row{"Latency", []Panel{
		{
			Title: "Upstream latency", Unit: "s",
			Queries: quantiles("gateway_upstream_duration_seconds_bucket", ofService, ""),
			Help: "From forwarding a request to its response's headers. If this rises, the upstream is slow: only the cache " +
				"and limits of the gateway can help.",
		},
		{
			Title: "Upstream p99 by service", Unit: "s",
			Queries: quantiles("gateway_upstream_duration_seconds_bucket", ofService, "service")[2:],
			Help:    "Which upstream is slow. Compare with the service's read_timeout: a longer response becomes a 504.",
		},
		{
			Title: "Gateway's own time", Unit: "s", Warn: at(0.01),
			Queries: quantiles("gateway_overhead_duration_seconds_bucket", ofService, ""),
			Help: "Time added by the gateway: matching, plugins, Redis, Postgres. Above 10 ms: boards stores (waits) and " +
				"runtime (CPU).",
		},
	}}
}

func upstreamsTargetsRow() Row {
	return Row{"Targets", []Panel{
		{
			Title: "Targets healthy", Kind: States, Unit: "bool_yes_no", Width: 12,
			Queries: []Query{{
				`min by (upstream, target) (gateway_upstream_target_healthy{` + gateways + `})`,
				"{{upstream}} {{target}}",
			}},
			Help: "No: at least one replica has ejected the target; it is tried again after a while. Longer than two " +
				"minutes: runbook UpstreamTargetUnhealthy.",
		},
		{
			Title: "Ejections by cause", Unit: "ops", Width: 12,
			Queries: []Query{{
				perSecond("gateway_upstream_ejections_total", gateways, "upstream, target, cause"),
				"{{upstream}} {{target}} {{cause}}",
			}},
			Help: "connection: refused or reset. timeout: too slow for the service's time-outs. status: it responds with " +
				"errors. active: its health check fails. manual: set through the Admin API.",
		},
		{
			Title: "Retries", Unit: "reqps",
			Queries: []Query{
				{perSecond("gateway_upstream_retries_total", gateways, "reason"), "{{reason}}"},
				{`sum(rate(gateway_upstream_retry_budget_exhausted_total{` + gateways + `}[$__rate_interval]))`, "not: budget exhausted"},
				{`sum(rate(gateway_upstream_no_target_total{` + gateways + `}[$__rate_interval]))`, "not: no target"}},
			Help: "A few retries hide single failures. If the budget is exhausted, the upstream fails more than retries may " +
				"hide: fix it, do not raise the budget. No target: all are ejected, clients get 503.",
		},
		{
			Title: "Upstream failures", Unit: "reqps",
			Queries: []Query{{
				perSecond("gateway_requests_total", ofService+`,status=~"502|504"`, "service, status"),
				"{{service}} {{status}}",
			}},
			Help: "502: refused, reset, or no such name. 504: no response in time. Find the ejected target, then request it " +
				"directly with curl.",
		},
		{
			Title: "Idle connections", Unit: "short",
			Queries: []Query{{`sum by (instance) (gateway_upstream_idle_connections{` + gateways + `})`, "{{instance}}"}},
			Help: "Idle connections. Near zero under load: each request opens a connection (upstream_keepalive 0, or the " +
				"upstream closes them), which costs latency on both sides.",
		},
	}}
}

func upstreamsConfigurationRow() Row {
	return Row{"Configuration", []Panel{
		{
			Title: "Revision", Unit: "short",
			Queries: []Query{{`gateway_snapshot_revision{` + gateways + `}`, "{{instance}}"}},
			Help:    "All lines must coincide. One that stays below for more than a minute: runbook SnapshotStale.",
		},
		{
			Title: "Age of the configuration", Unit: "s",
			Queries: []Query{{`gateway_snapshot_age_seconds{` + gateways + `}`, "{{instance}}"}},
			Help: "Time since the last change was applied. A long time is fine without changes; saw teeth are a client that " +
				"writes in a loop.",
		},
		{
			Title: "Time to apply", Unit: "s",
			Queries: quantiles("gateway_config_apply_seconds_bucket", gateways, ""),
			Help: "Building and swapping a snapshot. Grows with the number of entities; requests are served meanwhile. " +
				"Above a second: does a client write in a loop?",
		},
		{
			Title: "Rejected configurations, panics", Unit: "ops", Warn: at(0.01),
			Queries: []Query{
				{perSecond("gateway_config_apply_errors_total", gateways, "instance"), "{{instance}} rejected"},
				{perSecond("gateway_panics_total", gateways, "instance"), "{{instance}} panics"}},
			Help: "Must be zero. Rejected: runbook ConfigurationRejected. A panic is a bug that cost one request: the log " +
				"has its stack.",
		},
	}}
}
