package dashboards

func goRuntime() Board {
	return Board{
		UID: "gatelab-runtime", Title: "gatelab: Go runtime",
		Description: "The gateway's processes: CPU, memory, collector, goroutines.",
		Variables:   []Variable{byJob, byInstance},
		Rows: []Row{
			{"Process", []Panel{
				{Title: "CPU", Unit: "short", Queries: []Query{{perSecond("process_cpu_seconds_total", gateways, "instance"), "{{instance}} cores"}},
					Help: "Cores in use. At the replica's limit latency rises at once: add a replica or raise the limit. Much CPU at little traffic: take a profile."},
				{Title: "Resident memory", Unit: "bytes", Queries: []Query{{`process_resident_memory_bytes{` + gateways + `}`, "{{instance}}"}},
					Help: "Near the container's limit the kernel kills the process. Lower cache_memory or raise the limit. Growth at constant traffic and goroutines: a leak, take a heap profile."},
				{Title: "Open files", Unit: "percentunit", Max: at(1), Warn: at(0.8), Queries: []Query{{`process_open_fds{` + gateways + `} / process_max_fds{` + gateways + `}`, "{{instance}}"}},
					Help: "Two a proxied connection. Above 80%: raise the limit (ulimit -n), or find clients that open connections and leave them."},
				{Title: "Uptime", Unit: "s", Queries: []Query{{`time() - process_start_time_seconds{` + gateways + `}`, "{{instance}}"}},
					Help: "A line that falls to zero is a restart; at a fault's mark it is meant. Without one: read the end of the old process's log."},
			}},
			{"Go", []Panel{
				{Title: "Goroutines", Unit: "short", Queries: []Query{{`go_goroutines{` + gateways + `}`, "{{instance}}"}},
					Help: "About one a client connection, and some. Growth without connections: something waits for ever, look at the goroutine profile."},
				{Title: "Heap", Unit: "bytes", Queries: []Query{{`go_memstats_heap_alloc_bytes{` + gateways + `}`, "{{instance}} in use"}, {`go_memstats_next_gc_bytes{` + gateways + `}`, "{{instance}} next collection"}},
					Help: "Saw teeth between the two lines are normal. If they lie close together it collects all the time: raise gc_percent or the memory limit."},
				{Title: "Collections", Unit: "ops", Queries: []Query{{perSecond("go_gc_duration_seconds_count", gateways, "instance"), "{{instance}}"}},
					Help: "A few a second under load. Tens: the heap is too small for the traffic, raise gc_floor."},
				{Title: "Longest pause", Unit: "s", Warn: at(0.01), Queries: []Query{{`go_gc_duration_seconds{` + gateways + `,quantile="1"}`, "{{instance}}"}},
					Help: "The longest stop of the world lately. Above 10 ms the cores are overcommitted: the process waited for one while the world stood."},
				{Title: "Allocation", Unit: "Bps", Queries: []Query{{perSecond("go_memstats_alloc_bytes_total", gateways, "instance"), "{{instance}}"}},
					Help: "Bytes allocated a second. More a request than before: a plugin or a change brought it; compare with make bench."},
			}},
		},
	}
}
