package dashboards

func stores() Board {
	return Board{
		UID: "gatelab-stores", Title: "gatelab: Postgres and Redis",
		Description: "The stores as the gateways see them.",
		Variables:   []Variable{byJob, byInstance},
		Rows:        []Row{storesPostgresRow(), storesRedisRow()},
	}
}

func storesPostgresRow() Row {
	return Row{"Postgres", []Panel{
		{
			Title: "Connections in use", Unit: "percentunit", Max: at(1), Warn: at(0.8),
			Queries: []Query{{
				`sum by (instance) (gateway_postgres_connections{` + gateways + `,state="in_use"}) / ` +
					`sum by (instance) (gateway_postgres_connections{` + gateways + `,state="max"})`,
				"{{instance}}",
			}},
			Help: "Share of the pool. Above 80%: runbook PostgresConnectionsHigh; at 100% requests wait and then get 503.",
		},
		{
			Title: "Connections", Unit: "short", Stacked: true,
			Queries: []Query{{`sum by (state) (gateway_postgres_connections{` + gateways + `,state!="max"})`, "{{state}}"}},
			Help: "Of all replicas; the sum of their maxima must stay below max_connections of Postgres, or new replicas " +
				"cannot start.",
		},
		{
			Title: "Wait for a connection", Unit: "s", Warn: at(0.1),
			Queries: quantiles("gateway_postgres_acquire_seconds_bucket", gateways, ""),
			Help:    "p99 above 100 ms: runbook PostgresPoolWaiting. With lookup=snapshot requests need no connection.",
		},
		{
			Title: "Waits that timed out", Unit: "ops", Warn: at(0.01),
			Queries: []Query{{perSecond("gateway_postgres_acquire_timeouts_total", gateways, "instance"), "{{instance}}"}},
			Help:    "Each is a 503. Raise pg_max_conns, or find what occupies connections: SELECT * FROM pg_stat_activity.",
		},
	}}
}

func storesRedisRow() Row {
	return Row{"Redis", []Panel{
		{
			Title: "Redis answers", Kind: States, Unit: "bool_yes_no", Width: 12,
			Queries: []Query{{`min by (address) (gateway_redis_up{` + gateways + `})`, "{{address}}"}},
			Help: "No: a circuit breaker is open or polling fails. The cache passes requests through, limits follow " +
				"fault_tolerant. Start Redis; gateways reconnect automatically.",
		},
		{
			Title: "Memory", Unit: "percentunit", Width: 12, Max: at(1), Warn: at(0.9),
			Queries: []Query{{
				`max by (address) (gateway_redis_memory_used_bytes{` + gateways + `}) / ` +
					`(max by (address) (gateway_redis_memory_max_bytes{` + gateways + `}) > 0)`,
				"{{address}}",
			}},
			Help: "Share of maxmemory; no line: the server has no limit, which is worse on a shared machine. Above 90%: " +
				"runbook RedisMemoryHigh.",
		},
		{
			Title: "Command latency", Unit: "s", Width: 12,
			Queries: quantiles("gateway_redis_command_seconds_bucket", gateways, ""),
			Help: "Including the wait for a connection. Near redis_timeout: a slow command (SLOWLOG), a full CPU, or too " +
				"small a pool (redis_pool_size).",
		},
		{
			Title: "Failed commands", Unit: "ops", Width: 12, Warn: at(0.1),
			Queries: []Query{{perSecond("gateway_redis_errors_total", gateways, "address, kind"), "{{address}} {{kind}}"}},
			Help: "timeout: slow. connection: unreachable. reply: rejected (OOM, NOAUTH). unavailable: not sent, the " +
				"circuit breaker is open.",
		},
	}}
}
