package result

// Scale is what one of the servers that all replicas share carries, measured apart from the gateways.
type Scale struct {
	Redis  []RedisScale `json:"redis,omitempty"`  // by what the gateways ask it for
	Fanout []Fanout     `json:"fanout,omitempty"` // of Postgres' notifications, by number of watchers
}

// RedisScale is one way in which gateways use Redis: a stage of the scenario.
type RedisScale struct {
	Stage    string  `json:"stage"`
	Requests uint64  `json:"requests"` // to the gateways while their commands were recorded
	Recorded uint64  `json:"recorded"` // commands of the gateways in that time; those inside scripts are not counted
	PerReq   float64 `json:"commands_per_request"`
	// Commands are the recorded ones by name.
	Commands map[string]uint64 `json:"commands"`
	Replays  []RedisReplay     `json:"replays"`
}

// RedisReplay sends the recorded commands to the same Redis again, as fast as it answers.
type RedisReplay struct {
	Depth       int      `json:"depth"` // commands sent together on a connection before their replies are read
	Connections int      `json:"connections"`
	DurationS   float64  `json:"duration_s"`
	CommandsPS  float64  `json:"commands_per_s"`
	Errors      uint64   `json:"errors"`              // replies that were errors
	RedisCores  float64  `json:"redis_cores"`         // that Redis used
	CommandUS   float64  `json:"us_per_command"`      // CPU time of Redis
	CorePS      float64  `json:"commands_per_core_s"` // commands per second of a Redis that has one core to itself
	RequestsPS  float64  `json:"requests_per_core_s"` // of the gateways, that such a Redis carries
	MachineBusy *float64 `json:"machine_busy,omitempty"`
}

// Fanout is how changes reach clients that LISTEN, each on a connection of its own.
type Fanout struct {
	Watchers int  `json:"watchers"`
	Reads    bool `json:"reads"` // each watcher reads the change after its notification
	Changes  int  `json:"changes"`
	// Times from just before COMMIT was sent. Last is when the last watcher knew of the change, and had read it where Reads is set.
	CommitMS    MedianMax `json:"commit_ms"`
	FirstMS     MedianMax `json:"first_ms"`
	LastMS      MedianMax `json:"last_ms"`
	PostgresMS  float64   `json:"postgres_cpu_ms_per_change"`
	ClientMS    float64   `json:"client_cpu_ms_per_change"` // of all watchers together, on the same machine
	MemoryMiB   *float64  `json:"postgres_memory_mib,omitempty"`
	MachineBusy *float64  `json:"machine_busy,omitempty"`
}

// MedianMax is the middle and the end of several times, which are too few for other percentiles.
type MedianMax struct {
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}
