package main

import (
	"fmt"
	"os"
	"time"

	"gatelab/internal/webguard"
)

// settings are everything that can be told to the gateway from outside.
// newSettings is their table: names, defaults, what is allowed.
type settings struct {
	nodeName   string
	nodeHeader bool
	lookup     string

	proxyListen  string
	adminListen  string
	statusListen string

	adminHosts       []string
	adminOrigins     []string
	adminTokensFile  string
	adminTLSCert     string
	adminTLSKey      string
	adminTLSClientCA string
	adminReadTimeout time.Duration
	statusHosts      []string

	pgDSN            string
	pgMaxConns       int
	pgAcquireTimeout time.Duration
	pgPollInterval   time.Duration
	pgQueryTimeout   time.Duration
	pgStartTimeout   time.Duration
	revisionsKeep    int
	revisionsKeepFor time.Duration

	upstreamKeepalive   int
	upstreamIdleTimeout time.Duration
	upstreamMaxBuffered int64
	upstreamHeaderBytes int64
	upstreamEjectAfter  int
	upstreamEjectFor    time.Duration
	upstreamTLSVerify   bool
	upstreamCAFile      string
	retryStatuses       []int
	retryBudget         int
	retryMin            int

	idleTimeout         time.Duration
	clientHeaderTimeout time.Duration
	clientReadTimeout   time.Duration
	clientBodyRate      int
	clientWriteTimeout  time.Duration
	clientResponseRate  int
	clientHeaderBytes   int64
	clientBodyBytes     int64
	maxConnections      int
	trustedProxies      []string
	pathAmbiguity       string
	underscores         string
	viaName             string

	cacheMemory     int64
	cacheMaxEntry   int64
	cacheWriteQueue int
	cacheWait       time.Duration

	redisTimeout     time.Duration
	redisDialTimeout time.Duration
	redisPoolSize    int
	redisBreakAfter  int
	redisBreakFor    time.Duration
	redisCAFile      string

	accessLog     string
	accessLogRate int
	logLevel      string
	logFormat     string

	pprof bool

	drainDelay   time.Duration
	drainIdle    time.Duration
	drainTimeout time.Duration

	scheduling  string
	maxProcs    int
	gcPercent   int
	memoryLimit int64
	gcFloor     int64

	ignored []string // Kong's variables that are set and mean nothing here
}

// newSettings returns the table of all settings, bound to s and holding their
// defaults.
func newSettings(s *settings) []*setting {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	host, err := os.Hostname()
	if err != nil {
		host = "gateway"
	}
	second, minute, hour := time.Second, time.Minute, time.Hour
	table := []*setting{
		text("node_name", &s.nodeName, host, "name of this replica: X-Gateway-Node, logs, GET /"),
		boolean("node_header", &s.nodeHeader, false, "put X-Gateway-Node on every response"),
		choice("lookup", &s.lookup, "snapshot", []string{"snapshot", "database"}, "snapshot: requests use the configuration pushed last; database: every request asks Postgres for the revision first (strict, at the price of a round trip)"),

		listen("proxy_listen", &s.proxyListen, "0.0.0.0:8000", "where clients are served"),
		listen("admin_listen", &s.adminListen, "127.0.0.1:8001", "where the Admin API is served; on another address than loopback set admin_tokens_file or admin_tls_client_ca, or any client that reaches it can change the configuration"),
		listen("status_listen", &s.statusListen, "127.0.0.1:8100", "where /health/live, /health/ready and /metrics are served"),

		names("admin_hosts", &s.adminHosts, "names and addresses without ports, separated by commas", "further names by which clients reach the Admin API; a Host that is neither one of these nor loopback nor the listener's address is refused (403)", webguard.CheckHost),
		names("admin_origins", &s.adminOrigins, "origins such as https://admin.example.com, separated by commas", "web pages that may use the Admin API; those of other origins can neither read answers nor change anything", webguard.CheckOrigin),
		file("admin_tokens_file", &s.adminTokensFile, "who may use the Admin API: a file of lines of name, role (read-only, read-write) and hash, as `gateway token new` prints them; read again when it changes; none: every client that reaches admin_listen"),
		file("admin_tls_cert", &s.adminTLSCert, "PEM file of the Admin listener's certificate; with it the Admin API is served over TLS alone; read again when it changes"),
		file("admin_tls_key", &s.adminTLSKey, "PEM file of that certificate's private key"),
		file("admin_tls_client_ca", &s.adminTLSClientCA, "PEM file of who may sign certificates of Admin API clients; with it a client needs one, and its name is the actor of changes"),
		duration("admin_read_timeout", &s.adminReadTimeout, 30*second, 10*time.Millisecond, hour, "how long a request to the Admin API or to status_listen may take to arrive (408)"),
		names("status_hosts", &s.statusHosts, "names and addresses without ports, separated by commas", "further names by which status_listen is reached, such as those that Prometheus scrapes", webguard.CheckHost),

		postgres("pg_dsn", &s.pgDSN, "postgres://gateway@127.0.0.1:5432/gateway", "Postgres, as a URL or key=value pairs"),
		number("pg_max_conns", &s.pgMaxConns, 16, 1, 10000, "connections to Postgres, beside the one that listens for changes"),
		duration("pg_acquire_timeout", &s.pgAcquireTimeout, second, time.Millisecond, minute, "how long to wait for a free connection before 503"),
		duration("pg_query_timeout", &s.pgQueryTimeout, 5*second, 10*time.Millisecond, hour, "how long an answer of Postgres is waited for before 503; reading the whole configuration may take 30 s"),
		duration("pg_poll_interval", &s.pgPollInterval, 5*second, 100*time.Millisecond, hour, "how often the revision is polled, behind LISTEN/NOTIFY"),
		duration("pg_start_timeout", &s.pgStartTimeout, minute, 0, hour, "how long to wait for Postgres at start"),
		number("revisions_keep", &s.revisionsKeep, 100_000, 0, 1_000_000_000, "how many changes the history keeps, the newest; 0: any number"),
		duration("revisions_keep_for", &s.revisionsKeepFor, 90*24*hour, 0, 100*365*24*hour, "how long the history keeps a change; 0: for ever"),

		number("upstream_keepalive", &s.upstreamKeepalive, 512, 0, 100000, "idle connections kept for each upstream host; 0 opens one for every request"),
		duration("upstream_idle_timeout", &s.upstreamIdleTimeout, minute, time.Millisecond, hour, "when an idle upstream connection is closed"),
		bytesize("upstream_max_buffered", &s.upstreamMaxBuffered, 64*kib, 0, gib, "longest response of known length that is read whole; longer ones are streamed"),
		bytesize("upstream_header_bytes", &s.upstreamHeaderBytes, 64*kib, kib, 16*mib, "longest header of a response, with interim ones (1xx) before it; a longer one is 502"),
		number("upstream_eject_after", &s.upstreamEjectAfter, 3, 0, 10000, "where an upstream has no health checks: failures in a row, to connect or to answer in time, after which a target is left alone while others are there; 0 never"),
		duration("upstream_eject_for", &s.upstreamEjectFor, 5*second, 10*time.Millisecond, hour, "how long an unhealthy target that no probe watches is left alone before one request tries it; doubled, up to a minute, each time that fails"),
		boolean("upstream_tls_verify", &s.upstreamTLSVerify, false, "check the certificates of https upstreams where a service's tls_verify is null; false is Kong's default"),
		file("upstream_ca_file", &s.upstreamCAFile, "PEM file of who may sign certificates of https upstreams, unless a service has ca_certificates; none: the system's"),
		statuses("retry_statuses", &s.retryStatuses, []int{502, 503, 504}, "answers of a target after which an idempotent request is sent again, to another target if there is one, at most as often as the service's retries say; not when the answer has a Retry-After, and 429 never; off is none, as in Kong"),
		number("retry_budget", &s.retryBudget, 20, 0, 1000, "requests that may be sent again, in percent of a service's requests of the last 10 s, so that retries do not make an overload worse; a request that could not even connect is not counted"),
		number("retry_min", &s.retryMin, 10, 0, 1_000_000, "requests a second and service that may be sent again whatever the budget says"),

		duration("idle_timeout", &s.idleTimeout, 75*second, time.Millisecond, hour, "when an idle client connection is closed"),
		duration("client_header_timeout", &s.clientHeaderTimeout, minute, time.Millisecond, hour, "how long a request's header may take to arrive, from its first byte to its last (408), and how long a new connection may say nothing (closed)"),
		duration("client_read_timeout", &s.clientReadTimeout, minute, time.Millisecond, hour, "longest pause within a request's body (408); what the upstream needs to take it does not count"),
		number("client_body_rate", &s.clientBodyRate, 240, 0, 1_000_000_000, "bytes a second: a request's body that comes more slowly uses up client_read_timeout and ends (408), however short its pauses; 0 allows any pace"),
		duration("client_write_timeout", &s.clientWriteTimeout, minute, 0, hour, "how long a client may take nothing of a response that waits for it; a stream that has nothing to send may be silent for longer; 0 is no limit"),
		number("client_response_rate", &s.clientResponseRate, 240, 0, 1_000_000_000, "bytes a second: a client that takes a response more slowly while there is more of it uses up client_write_timeout and is closed; 0 allows any pace"),
		bytesize("client_header_bytes", &s.clientHeaderBytes, 16*kib, kib, mib, "longest request header (431)"),
		bytesize("client_body_bytes", &s.clientBodyBytes, 64*mib, 0, 1024*gib, "longest request body (413); 0 is no limit"),
		number("max_connections", &s.maxConnections, 65536, 1, 10_000_000, "client connections at a time; one more takes the place of an idle one, or is answered 503"),
		list("trusted_proxies", &s.trustedProxies, "", "addresses or CIDR blocks whose X-Forwarded-* and X-Real-IP are believed, separated by commas"),
		choice("path_ambiguity", &s.pathAmbiguity, "strict", []string{"strict", "keep", "reject", "unescape"},
			`paths that an upstream may decode further ("..%2f", "..;", "\\", "%00", double escapes). strict: 400 where that would reach another route or leave the service's path; keep: they pass, as in Kong; reject: 400; unescape: escaped slashes are decoded first`),
		choice("underscores_in_headers", &s.underscores, "safe", []string{"safe", "drop", "keep"},
			"request headers with _ in their names. safe: those that read as a header of the gateway or of the framing (X_Consumer_Username, Content_Length) are dropped; drop: all, as in nginx; keep: none"),
		pseudonym("via_name", &s.viaName, "gatelab", "name of this gateway in Via; a request that has it there already is a loop (508), so gateways behind each other need names of their own"),

		bytesize("cache_memory", &s.cacheMemory, 64*mib, 0, 1024*gib, "memory for cached responses; 0 keeps them in Redis only"),
		bytesize("cache_max_entry", &s.cacheMaxEntry, 4*mib, kib, gib, "longest response body that is cached"),
		number("cache_write_queue", &s.cacheWriteQueue, 1024, 1, 1_000_000, "writes to Redis that may wait; more are dropped and counted"),
		duration("cache_wait", &s.cacheWait, 5*second, time.Millisecond, minute, "how long a request waits for another's fetch of the same resource"),

		duration("redis_timeout", &s.redisTimeout, 100*time.Millisecond, time.Millisecond, minute, "how long a request waits for Redis, unless a plugin's redis.timeout is another than Kong's default of 2000 ms"),
		duration("redis_dial_timeout", &s.redisDialTimeout, 250*time.Millisecond, time.Millisecond, minute, "how long connecting to Redis may take, unless a plugin's redis.timeout is another than Kong's default of 2000 ms"),
		number("redis_pool_size", &s.redisPoolSize, 32, 1, 10000, "connections to each Redis"),
		number("redis_break_after", &s.redisBreakAfter, 5, 1, 10000, "failures in a row after which Redis is not asked"),
		duration("redis_break_for", &s.redisBreakFor, 500*time.Millisecond, 10*time.Millisecond, minute, "how often a Redis that is not asked is probed"),
		file("redis_ca_file", &s.redisCAFile, "PEM file of who may sign a Redis' certificate, where a plugin's redis.ssl_verify is true; none: the system's"),

		choice("access_log", &s.accessLog, "sampled", []string{"off", "sampled", "all"}, "JSON access log: sampled keeps every server error and access_log_rate others a second"),
		number("access_log_rate", &s.accessLogRate, 100, 0, 1_000_000, "lines a second that a sampled access log keeps beside errors"),
		choice("log_level", &s.logLevel, "info", []string{"debug", "info", "warn", "error"}, "what is logged at all"),
		choice("log_format", &s.logFormat, "json", []string{"json", "text"}, "how it is logged"),

		boolean("pprof", &s.pprof, false, "serve the Go runtime's profiles under /debug/pprof/ of status_listen, to every client that reaches it"),

		duration("drain_delay", &s.drainDelay, 0, 0, minute, "after SIGTERM, how long to go on accepting while /health/ready already says no and answers carry Connection: close; 0 suits a balancer that notices by refused connections (nginx), one that asks /health/ready needs two of its intervals"),
		duration("drain_idle", &s.drainIdle, 5*second, 0, hour, "after that, how long a kept connection may ask for nothing before it is closed; a request that comes on it is answered, with Connection: close"),
		duration("drain_timeout", &s.drainTimeout, 30*second, 0, hour, "after drain_delay, how long requests in flight may take at most"),

		choice("scheduling", &s.scheduling, "normal", []string{"normal", "batch"}, "batch: woken, the process does not push others off the core; on a machine with more busy processes than cores each wake-up then serves more requests"),
		number("max_procs", &s.maxProcs, 0, 0, 1024, "threads that run Go code; 0: what the container's CPU limit allows"),
		number("gc_percent", &s.gcPercent, 200, -1, 10000, "how much garbage may pile up, in percent of what is in use; -1 collects only for memory_limit"),
		bytesize("memory_limit", &s.memoryLimit, 0, 0, 1024*gib, "soft limit of the process; 0: nine tenths of the container's limit, if it has one"),
		bytesize("gc_floor", &s.gcFloor, 32*mib, 0, 16*gib, "heap below which it is not worth collecting: a smaller one would be collected many times a second"),
	}
	table[0].def = "the machine's host name"
	return table
}

// check finds what no single setting can know.
func (s *settings) check() error {
	if s.cacheMemory > 0 && s.cacheMaxEntry > s.cacheMemory {
		return fmt.Errorf("cache_max_entry=%q: want at most cache_memory, %s", formatBytes(s.cacheMaxEntry), formatBytes(s.cacheMemory))
	}
	seen := map[string]string{}
	for _, l := range []struct{ name, addr string }{{"proxy_listen", s.proxyListen}, {"admin_listen", s.adminListen}, {"status_listen", s.statusListen}} {
		if other, ok := seen[l.addr]; ok && !anyPort(l.addr) {
			return fmt.Errorf("%s=%q: want an address of its own: %s listens there", l.name, l.addr, other)
		}
		seen[l.addr] = l.name
	}
	switch {
	case (s.adminTLSCert == "") != (s.adminTLSKey == ""):
		return fmt.Errorf("admin_tls_cert=%q, admin_tls_key=%q: want both or neither", s.adminTLSCert, s.adminTLSKey)
	case s.adminTLSClientCA != "" && s.adminTLSCert == "":
		return fmt.Errorf("admin_tls_client_ca=%q: want admin_tls_cert and admin_tls_key as well", s.adminTLSClientCA)
	}
	return nil
}
