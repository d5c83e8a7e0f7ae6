package alerting

// Plan says how an alert is caused, and which others may fire. A lab turns it into a Case by adding how the cause begins and ends there.
type Plan struct {
	Alert  string
	Cause  string   // one of the constants below
	Load   string   // traffic that must run at the same time; empty: none is needed
	Beside []string // alerts that may fire because of the same cause
}

// The causes that a lab must be able to bring about.
const (
	KillReplica       = "a replica is killed"
	LoseJob           = "Prometheus has no target of the job any more"
	FirstRequestsFail = "a replica is started and its first requests fail, all within one scrape"
	FreezeReplicaDB   = "one replica loses Postgres while the configuration changes"
	BadConfiguration  = "Postgres holds an entity that cannot be built"
	OriginFails       = "the origin answers 5xx to a part of the requests"
	OriginSlow        = "the origin takes longer than 500 ms"
	OriginRefuses     = "the origin answers 429 to a part of the requests"
	TargetGone        = "one of two targets refuses connections"
	StopRedis         = "Redis is gone"
	FillRedis         = "Redis is filled above 90% of maxmemory"
	TellNoUsage       = "the responses of a model tell no usage"
	EmptyCacheForGood = "the cache is purged again and again"
	SlowPostgres      = "Postgres is far away while every request looks it up"
)

// Kinds of traffic.
const (
	Steady  = "steady requests, cached and not"
	Limited = "requests under a limit that is counted in Redis"
	Lookups = "requests with lookup=database"
)

// Plans are one for each alert, and a second one if there is a boundary case that it must detect as well. Burn-rate alerts fire beside the
// alerts of the errors that they count, and the slow burn beside the fast one.
func Plans() []Plan {
	failing := []string{"GatewayErrorRateHigh", "AvailabilityBudgetBurnFast", "AvailabilityBudgetBurnSlow"}
	slow := []string{"GatewayLatencyP99High", "LatencyBudgetBurnFast", "LatencyBudgetBurnSlow"}
	// A replica that starts has no configuration and no cache yet, and opens its first connections to Postgres.
	fresh := []string{"GatewayReplicaDown", "SnapshotStale", "CacheHitRatioCollapsed", "PostgresPoolWaiting"}
	away := []string{"CacheHitRatioCollapsed", "LimitStoreFailingOpen", "LimitRoundTripsFailing"} // without Redis
	waiting := []string{"PostgresConnectionsHigh", "PostgresPoolWaiting"}
	return []Plan{
		{Alert: "GatewayErrorRateHigh", Cause: OriginFails, Load: Steady, Beside: failing},
		{Alert: "GatewayErrorRateHigh", Cause: FirstRequestsFail, Load: Steady, Beside: append(fresh, failing...)},
		{Alert: "AvailabilityBudgetBurnFast", Cause: OriginFails, Load: Steady, Beside: failing},
		{Alert: "AvailabilityBudgetBurnSlow", Cause: OriginFails, Load: Steady, Beside: failing},
		{Alert: "GatewayLatencyP99High", Cause: OriginSlow, Load: Steady, Beside: slow},
		{Alert: "LatencyBudgetBurnFast", Cause: OriginSlow, Load: Steady, Beside: slow},
		{Alert: "LatencyBudgetBurnSlow", Cause: OriginSlow, Load: Steady, Beside: slow},
		{Alert: "GatewayReplicaDown", Cause: KillReplica},
		{Alert: "GatewayJobAbsent", Cause: LoseJob},
		{Alert: "SnapshotStale", Cause: FreezeReplicaDB},
		{Alert: "ConfigurationRejected", Cause: BadConfiguration},
		{Alert: "CacheHitRatioCollapsed", Cause: EmptyCacheForGood, Load: Steady},
		{Alert: "OriginRateLimiting", Cause: OriginRefuses, Load: Steady},
		{Alert: "LimitStoreFailingOpen", Cause: StopRedis, Load: Limited, Beside: away},
		{Alert: "LimitRoundTripsFailing", Cause: StopRedis, Load: Limited, Beside: away},
		{Alert: "TokenUsageEstimated", Cause: TellNoUsage},
		{Alert: "UpstreamTargetUnhealthy", Cause: TargetGone, Load: Steady, Beside: failing},
		{Alert: "PostgresConnectionsHigh", Cause: SlowPostgres, Load: Lookups, Beside: append(append(waiting, slow...), failing...)},
		{Alert: "PostgresPoolWaiting", Cause: SlowPostgres, Load: Lookups, Beside: append(append(waiting, slow...), failing...)},
		// Once it is full and evicts nothing, Redis refuses to count as well.
		{Alert: "RedisMemoryHigh", Cause: FillRedis, Beside: away},
	}
}
