package drill

// Plan is one line of the table alert -> fault -> what is expected. A lab turns
// it into a Case by filling in how the fault is caused there and undone.
type Plan struct {
	Alert  string
	Cause  string   // what is broken, of Causes
	Load   string   // traffic that must run meanwhile, empty: none is needed
	Beside []string // alerts that the same trouble rightly raises too
}

// What a lab must be able to break for the plans.
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
	EmptyCacheForGood = "the cache is purged again and again"
	SlowPostgres      = "Postgres is far away while every request looks it up"
)

// Kinds of traffic.
const (
	Steady  = "steady requests, cached and not"
	Limited = "requests under a limit that is counted in Redis"
	Lookups = "requests with lookup=database"
)

// Plans are one for each alert, and one more where it must also see an edge. Burn rates fire beside what they are made of,
// and the slow burn beside the fast one.
func Plans() []Plan {
	failing := []string{"GatewayErrorRateHigh", "AvailabilityBudgetBurnFast", "AvailabilityBudgetBurnSlow"}
	slow := []string{"GatewayLatencyP99High", "LatencyBudgetBurnFast", "LatencyBudgetBurnSlow"}
	// A replica that starts has no configuration yet, no cache, and its first
	// connections to Postgres.
	fresh := []string{"GatewayReplicaDown", "SnapshotStale", "CacheHitRatioCollapsed", "PostgresPoolWaiting"}
	waiting := []string{"PostgresConnectionsHigh", "PostgresPoolWaiting"}
	return []Plan{
		{"GatewayErrorRateHigh", OriginFails, Steady, failing},
		{"GatewayErrorRateHigh", FirstRequestsFail, Steady, append(fresh, failing...)},
		{"AvailabilityBudgetBurnFast", OriginFails, Steady, failing},
		{"AvailabilityBudgetBurnSlow", OriginFails, Steady, failing},
		{"GatewayLatencyP99High", OriginSlow, Steady, slow},
		{"LatencyBudgetBurnFast", OriginSlow, Steady, slow},
		{"LatencyBudgetBurnSlow", OriginSlow, Steady, slow},
		{"GatewayReplicaDown", KillReplica, "", nil},
		{"GatewayJobAbsent", LoseJob, "", nil},
		{"SnapshotStale", FreezeReplicaDB, "", nil},
		{"ConfigurationRejected", BadConfiguration, "", nil},
		{"CacheHitRatioCollapsed", EmptyCacheForGood, Steady, nil},
		{"OriginRateLimiting", OriginRefuses, Steady, nil},
		{"LimitStoreFailingOpen", StopRedis, Limited, []string{"CacheHitRatioCollapsed"}},
		{"UpstreamTargetUnhealthy", TargetGone, Steady, failing},
		{"PostgresConnectionsHigh", SlowPostgres, Lookups, append(append(waiting, slow...), failing...)},
		{"PostgresPoolWaiting", SlowPostgres, Lookups, append(append(waiting, slow...), failing...)},
		// Once it is full and evicts nothing, Redis refuses to count as well.
		{"RedisMemoryHigh", FillRedis, "", []string{"CacheHitRatioCollapsed", "LimitStoreFailingOpen"}},
	}
}
