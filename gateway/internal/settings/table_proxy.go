package settings

func upstreamRows(s *Settings) Table {
	return Table{
		number("upstream_keepalive", &s.UpstreamKeepalive, 512, 0, 100000,
			"maximum number of idle connections per upstream host; 0: a new connection for every request"),
		duration("upstream_idle_timeout", &s.UpstreamIdleTimeout, minute, millisecond, hour,
			"idle time after which an upstream connection is closed"),
		bytesize("upstream_max_buffered", &s.UpstreamMaxBuffered, 64*kib, 0, gib,
			"longest response of known length that is read as a whole; longer ones are streamed"),
		bytesize("upstream_header_bytes", &s.UpstreamHeaderBytes, 64*kib, kib, 16*mib,
			"longest response header, including preceding interim responses (1xx); a longer one is answered 502"),
		number("upstream_eject_after", &s.UpstreamEjectAfter, 3, 0, 10000,
			"consecutive failures to connect or to respond in time after which a target is ejected, "+
				"where its upstream has no health checks and other targets are available; 0: never"),
		duration("upstream_eject_for", &s.UpstreamEjectFor, 5*second, 10*millisecond, hour,
			"how long an unhealthy target without active health checks stays ejected before one request tries it; "+
				"doubled, up to a minute, each time that fails"),
		boolean("upstream_tls_verify", &s.UpstreamTLSVerify, false,
			"verify the certificates of https upstreams where a service's tls_verify is null; false is Kong's default"),
		file("upstream_ca_file", &s.UpstreamCAFile,
			"PEM file of the authorities that sign the certificates of https upstreams, unless a service has ca_certificates; "+
				"none: the system's"),
	}
}

func dnsRows(s *Settings) Table {
	return Table{
		recordTypes("dns_order", &s.DNSOrder, []string{"LAST", "A", "AAAA", "SRV", "CNAME"},
			"record types that are queried for the names of services and targets, in this order, until one has a response; "+
				"LAST is the type that had the last response, CNAME causes no query; Kong's order is LAST,SRV,A,CNAME"),
		servers("dns_resolver", &s.DNSResolver, "name servers for services and targets, instead of those in /etc/resolv.conf"),
		duration("dns_valid_ttl", &s.DNSValidTTL, 0, 0, day,
			"how long a response of a name server is valid; 0: for the TTL of its records, and at least one second"),
	}
}

func retryRows(s *Settings) Table {
	return Table{
		statuses("retry_statuses", &s.RetryStatuses, []int{502, 503, 504},
			"statuses of a target after which an idempotent request is retried, on another target if there is one, "+
				"at most as often as the service's retries; never where the response has a Retry-After, and never after 429; "+
				"off: none, as in Kong"),
		number("retry_budget", &s.RetryBudget, 20, 0, 1000,
			"maximum number of retries, in percent of a service's requests of the last 10s, so that retries do not make "+
				"an overload worse; a request that could not connect does not count"),
		number("retry_min", &s.RetryMin, 10, 0, 1_000_000,
			"retries per second and service that are allowed regardless of retry_budget"),
	}
}

func clientRows(s *Settings) Table {
	return Table{
		duration("idle_timeout", &s.IdleTimeout, 75*second, millisecond, hour, "idle time after which a client connection is closed"),
		duration("client_header_timeout", &s.ClientHeaderTimeout, minute, millisecond, hour,
			"time within which a request's header must arrive, from its first byte to its last (408), "+
				"and within which a new connection must send something (closed)"),
		duration("client_read_timeout", &s.ClientReadTimeout, minute, millisecond, hour,
			"longest pause within a request's body (408); time in which the upstream does not read does not count"),
		number("client_body_rate", &s.ClientBodyRate, 240, 0, 1_000_000_000,
			"bytes per second: a request body that arrives more slowly uses up client_read_timeout and ends (408), "+
				"however short its pauses; 0: any rate"),
		duration("client_write_timeout", &s.ClientWriteTimeout, minute, 0, hour,
			"how long a client may read nothing of a response that is ready; a stream without data may be silent for longer; 0: no limit"),
		number("client_response_rate", &s.ClientResponseRate, 240, 0, 1_000_000_000,
			"bytes per second: a client that reads a response more slowly while data is ready uses up client_write_timeout "+
				"and is disconnected; 0: any rate"),
		bytesize("client_header_bytes", &s.ClientHeaderBytes, 16*kib, kib, mib, "longest request header (431)"),
		bytesize("client_body_bytes", &s.ClientBodyBytes, 64*mib, 0, 1024*gib, "longest request body (413); 0: no limit"),
		number("max_connections", &s.MaxConnections, 65536, 1, 10_000_000,
			"maximum number of client connections; a further connection replaces an idle one, or gets 503"),
	}
}

func requestRows(s *Settings) Table {
	return Table{
		list("trusted_proxies", &s.TrustedProxies, "",
			"addresses or CIDR blocks whose X-Forwarded-* and X-Real-IP are trusted, separated by commas"),
		list("proxy_protocol_from", &s.ProxyProtocol, "",
			"addresses or CIDR blocks of load balancers that send a header of the PROXY protocol (version 1 or 2) with the address of "+
				"the client, separated by commas. A connection from them without this header is closed; "+
				"the header is not accepted from other addresses"),
		choice("path_ambiguity", &s.PathAmbiguity, "strict", []string{"strict", "keep", "reject", "unescape"},
			`paths that an upstream may decode further ("..%2f", "..;", "\\", "%00", double escapes). `+
				"strict: 400 if this would match another route or leave the path of the service; keep: forwarded, as in Kong; "+
				"reject: 400; unescape: escaped slashes are decoded first"),
		choice("underscores_in_headers", &s.Underscores, "safe", []string{"safe", "drop", "keep"},
			"request headers with _ in their names. safe: those that could be mistaken for a header of the gateway or of the "+
				"message framing (X_Consumer_Username, Content_Length) are dropped; drop: all, as in nginx; keep: none"),
		pseudonym("via_name", &s.ViaName, "gatelab",
			"name of this gateway in Via; a request that already has it is a loop (508), so gateways in a chain need different names"),
		bytesize("plugin_body_bytes", &s.PluginBodyBytes, mib, kib, gib,
			"maximum size of a request or response body that is kept in memory for a plugin; "+
				"if a plugin would change a longer response, the client gets 502"),
	}
}

func cacheRows(s *Settings) Table {
	return Table{
		bytesize("cache_memory", &s.CacheMemory, 64*mib, 0, 1024*gib, "memory for cached responses; 0: Redis only"),
		bytesize("cache_max_entry", &s.CacheMaxEntry, 4*mib, kib, gib, "longest response body that is cached"),
		number("cache_write_queue", &s.CacheWriteQueue, 1024, 1, 1_000_000,
			"length of the queue of writes to Redis; further writes are dropped and counted"),
		duration("cache_wait", &s.CacheWait, 5*second, millisecond, minute,
			"maximum wait for another request that fetches the same resource"),
	}
}

func redisRows(s *Settings) Table {
	const unless = ", unless a plugin's redis.timeout differs from Kong's default of 2000 ms"
	return Table{
		duration("redis_timeout", &s.RedisTimeout, 100*millisecond, millisecond, minute, "maximum duration of a Redis command"+unless),
		duration("redis_dial_timeout", &s.RedisDialTimeout, 250*millisecond, millisecond, minute,
			"maximum time to connect to Redis"+unless),
		number("redis_pool_size", &s.RedisPoolSize, 32, 1, 10000, "maximum number of connections per Redis"),
		number("redis_break_after", &s.RedisBreakAfter, 5, 1, 10000, "consecutive failures that open the circuit breaker of a Redis"),
		duration("redis_break_for", &s.RedisBreakFor, 500*millisecond, 10*millisecond, minute,
			"how often a Redis is probed while its circuit breaker is open"),
		file("redis_ca_file", &s.RedisCAFile,
			"PEM file of the authorities that sign the certificates of Redis servers, where a plugin's redis.ssl_verify is true; "+
				"none: the system's"),
	}
}
