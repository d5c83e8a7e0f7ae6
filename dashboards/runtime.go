package dashboards

func goRuntime() Board {
	return Board{
		UID: "gatelab-runtime", Title: "gatelab: Go runtime",
		Description: "The gateway's processes: CPU, memory, collector, goroutines.",
		Variables:   []Variable{byJob, byInstance},
		Rows:        []Row{runtimeProcessRow(), runtimeGoRow()},
	}
}

func runtimeProcessRow() Row {
	return Row{"Process", []Panel{
		{
			Title: "CPU", Unit: "short",
			Queries: []Query{{perSecond("process_cpu_seconds_total", gateways, "instance"), "{{instance}} cores"}},
			Help: "Cores in use. At the replica's limit latency rises sharply: add a replica or raise the limit. High CPU " +
				"at low traffic: take a profile.",
		},
		{
			Title: "Resident memory", Unit: "bytes",
			Queries: []Query{{`process_resident_memory_bytes{` + gateways + `}`, "{{instance}}"}},
			Help: "Near the container's limit the kernel kills the process. Lower cache_memory or raise the limit. Growth " +
				"at constant traffic and goroutines: a leak, take a heap profile.",
		},
		{
			Title: "Open files", Unit: "percentunit", Max: at(1), Warn: at(0.8),
			Queries: []Query{{`process_open_fds{` + gateways + `} / process_max_fds{` + gateways + `}`, "{{instance}}"}},
			Help: "Two per proxied connection. Above 80%: raise the limit (ulimit -n), or find clients that leave " +
				"connections open.",
		},
		{
			Title: "Uptime", Unit: "s",
			Queries: []Query{{`time() - process_start_time_seconds{` + gateways + `}`, "{{instance}}"}},
			Help: "A line that drops to zero is a restart; at a fault's annotation it is intended. Otherwise read the end " +
				"of the old process's log.",
		},
	}}
}

func runtimeGoRow() Row {
	return Row{"Go", []Panel{
		{
			Title: "Goroutines", Unit: "short",
			Queries: []Query{{`go_goroutines{` + gateways + `}`, "{{instance}}"}},
			Help:    "About one per client connection. Growth without connections: a leak, see the goroutine profile.",
		},
		{
			Title: "Heap", Unit: "bytes",
			Queries: []Query{
				{`go_memstats_heap_alloc_bytes{` + gateways + `}`, "{{instance}} in use"},
				{`go_memstats_next_gc_bytes{` + gateways + `}`, "{{instance}} next collection"},
			},
			Help: "Saw teeth between the two lines are normal. If the lines are close to each other, garbage is collected " +
				"all the time: raise gc_percent or the memory limit.",
		},
		{
			Title: "Collections", Unit: "ops",
			Queries: []Query{{perSecond("go_gc_duration_seconds_count", gateways, "instance"), "{{instance}}"}},
			Help:    "A few per second under load. Tens: the heap is too small for the traffic, raise gc_floor.",
		},
		{
			Title: "Longest pause", Unit: "s", Warn: at(0.01),
			Queries: []Query{{`go_gc_duration_seconds{` + gateways + `,quantile="1"}`, "{{instance}}"}},
			Help: "The longest recent stop-the-world pause. Above 10 ms the cores are overcommitted: the process waited for " +
				"a core during the pause.",
		},
		{
			Title: "Allocation", Unit: "Bps",
			Queries: []Query{{perSecond("go_memstats_alloc_bytes_total", gateways, "instance"), "{{instance}}"}},
			Help: "Bytes allocated per second. More per request than before: caused by a plugin or a change; compare with " +
				"make bench.",
		},
	}}
}
