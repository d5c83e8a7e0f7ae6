package dashboards

func upstreams() Board {
	return Board{
		UID: "gatelab-upstreams", Title: "gatelab: upstreams and health",
		Description: "The way to the upstreams, and whether all replicas serve the same configuration.",
		Variables:   []Variable{byJob, byInstance, byService},
		Rows: []Row{
			{"Whose time is it?", []Panel{
				{Title: "Upstream latency", Unit: "s", Queries: quantiles("gateway_upstream_duration_seconds_bucket", ofService, ""),
					Help: "From sending a request on to its response's headers. If this rises, the upstream is slow: the cache and limits are all that the gateway can do about it."},
				{Title: "Upstream p99 by service", Unit: "s", Queries: quantiles("gateway_upstream_duration_seconds_bucket", ofService, "service")[2:],
					Help: "Which upstream is slow. Compare with the service's read_timeout: what is above it becomes a 504."},
				{Title: "Gateway's own time", Unit: "s", Warn: at(0.01), Queries: quantiles("gateway_overhead_duration_seconds_bucket", ofService, ""),
					Help: "What the gateway added: matching, plugins, Redis, Postgres. Above 10 ms: boards stores (waits) and runtime (CPU)."},
			}},
			{"Targets", []Panel{
				{Title: "Targets healthy", Kind: States, Unit: "bool_yes_no", Width: 12, Queries: []Query{{`min by (upstream, target) (gateway_upstream_target_healthy{` + gateways + `})`, "{{upstream}} {{target}}"}},
					Help: "No: some replica leaves the target alone; it is tried again after a while. Longer than two minutes: runbook UpstreamTargetUnhealthy."},
				{Title: "Taken out, by cause", Unit: "ops", Width: 12, Queries: []Query{{perSecond("gateway_upstream_ejections_total", gateways, "upstream, target, cause"), "{{upstream}} {{target}} {{cause}}"}},
					Help: "connection: refused or reset. timeout: too slow for the service's time-outs. status: it answers errors. active: its health check fails. manual: somebody set it over the Admin API."},
				{Title: "Retries", Unit: "reqps", Queries: []Query{
					{perSecond("gateway_upstream_retries_total", gateways, "reason"), "{{reason}}"},
					{`sum(rate(gateway_upstream_retry_budget_exhausted_total{` + gateways + `}[$__rate_interval]))`, "not: budget spent"},
					{`sum(rate(gateway_upstream_no_target_total{` + gateways + `}[$__rate_interval]))`, "not: no target"}},
					Help: "A few hide single failures. If the budget is spent, the upstream fails more than retries may hide: mend it, do not raise the budget. No target: all are out, clients get 503."},
				{Title: "Failures on the way", Unit: "reqps", Queries: []Query{{perSecond("gateway_requests_total", ofService+`,status=~"502|504"`, "service, status"), "{{service}} {{status}}"}},
					Help: "502: refused, reset, or no such name. 504: no answer in time. See which target is out beside this, then ask it directly with curl."},
				{Title: "Idle connections", Unit: "short", Queries: []Query{{`sum by (instance) (gateway_upstream_idle_connections{` + gateways + `})`, "{{instance}}"}},
					Help: "Kept connections. Near zero under load: each request opens one (upstream_keepalive 0, or the upstream closes them), which costs latency on both sides."},
			}},
			{"Configuration", []Panel{
				{Title: "Revision", Unit: "short", Queries: []Query{{`gateway_snapshot_revision{` + gateways + `}`, "{{instance}}"}},
					Help: "All lines must lie on each other. One that stays below for more than a minute: runbook SnapshotStale."},
				{Title: "Age of the configuration", Unit: "s", Queries: []Query{{`gateway_snapshot_age_seconds{` + gateways + `}`, "{{instance}}"}},
					Help: "Time since the last change was applied. A long time is fine when nobody changes anything; saw teeth are somebody's loop of changes."},
				{Title: "Time to apply", Unit: "s", Queries: quantiles("gateway_config_apply_seconds_bucket", gateways, ""),
					Help: "Building and swapping a snapshot. Grows with the number of entities; requests go on meanwhile. Above a second: are there changes in a loop?"},
				{Title: "Rejected configurations, panics", Unit: "ops", Warn: at(0.01), Queries: []Query{
					{perSecond("gateway_config_apply_errors_total", gateways, "instance"), "{{instance}} rejected"},
					{perSecond("gateway_panics_total", gateways, "instance"), "{{instance}} panics"}},
					Help: "Must be zero. Rejected: runbook ConfigurationRejected. A panic is a bug that cost one request: the log has its stack."},
			}},
		},
	}
}
