package settings

func logRows(s *Settings) Table {
	return Table{
		choice("access_log", &s.AccessLog, "sampled", []string{"off", "sampled", "all"},
			"JSON access log; sampled: every server error and up to access_log_rate other requests per second"),
		number("access_log_rate", &s.AccessLogRate, 100, 0, 1_000_000, "lines per second in a sampled access log, in addition to errors"),
		duration("access_log_flush", &s.AccessLogFlush, 100*millisecond, 0, 10*second,
			"how long lines of the access log are collected, to be written together; 0: each is written at once"),
		choice("log_level", &s.LogLevel, "info", []string{"debug", "info", "warn", "error"}, "lowest level that is logged"),
		choice("log_format", &s.LogFormat, "json", []string{"json", "text"}, "format of the log"),
		boolean("pprof", &s.Profiles, false,
			"serve the profiles of the Go runtime under /debug/pprof/ of status_listen, to every client that reaches it"),
	}
}

func drainRows(s *Settings) Table {
	return Table{
		duration("drain_delay", &s.DrainDelay, 0, 0, minute,
			"after SIGTERM, how long connections are still accepted while /health/ready answers 503 and responses have "+
				"Connection: close; 0 suits a load balancer that reacts to refused connections (nginx), "+
				"one that polls /health/ready needs two of its intervals"),
		duration("drain_idle", &s.DrainIdle, 5*second, 0, hour,
			"after drain_delay, how long an idle client connection stays open; a request on it is answered with Connection: close"),
		duration("drain_timeout", &s.DrainTimeout, 30*second, 0, hour, "after drain_delay, time limit for requests in flight"),
	}
}

func runtimeRows(s *Settings) Table {
	return Table{
		choice("scheduling", &s.Scheduling, "normal", []string{"normal", "batch"},
			"batch: a thread that becomes runnable does not preempt others (SCHED_BATCH); on a machine with more busy processes "+
				"than cores each wake-up then serves more requests"),
		number("max_procs", &s.MaxProcs, 0, 0, 1024, "maximum number of threads that run Go code; 0: from the container's CPU limit"),
		number("gc_percent", &s.GCPercent, 200, -1, 10000,
			"heap growth, in percent of the live heap, that triggers a garbage collection; -1: only memory_limit does"),
		bytesize("memory_limit", &s.MemoryLimit, 0, 0, 1024*gib,
			"soft memory limit of the process; 0: 90% of the smallest limit of its control groups (a container, a systemd unit), if any"),
		bytesize("gc_floor", &s.GCFloor, 32*mib, 0, 16*gib,
			"heap size below which no garbage collection runs: a small heap would be collected many times per second"),
	}
}
