package measure

// Remedy says what to do where the named check is not OK, as the rest of a
// sentence; empty where there is nothing to do.
func Remedy(check string) string {
	switch check {
	case "rate kept":
		return "lower the rate, or give the worker more cores"
	case "send lag":
		return "lower the rate, or reduce other load on the cores of the worker: the latency includes delays of the load generator"
	case "workers":
		return "raise the maximum number of workers and the limit of open files, or lower the rate: requests waited in the load generator"
	case "generator's CPU":
		return "give the worker more cores, lower the rate, or use several workers (--workers)"
	case "generator's ceiling":
		return "give the worker more cores: the figure may be the limit of the load generator"
	case Together:
		return "check the log of the worker, and stop other programs on a busy machine: the workers must measure the same seconds"
	case "Little's law":
		return "check for reconnects and pauses: latency or rate was counted incorrectly, or connections were idle"
	case "errors":
		return "lower the load, or raise the objective for errors if these failures are expected"
	case "right content":
		return "check the mismatches in the result: a response did not belong to its request"
	case "origin's own count":
		return "check for retries, other clients of the origin, and responses from other sources"
	case "enough samples":
		return "measure longer"
	case "steady state":
		return "lengthen the warm-up and measure longer"
	case "connections":
		return "enable keep-alive on all hops, or declare that the scenario breaks connections"
	case "host":
		return "run again when the machine is quiet"
	case memoryCheck:
		return "do not use memory and CPU of this attack: the control group of another process was read; report this as a bug, with the kernel" +
			" and engine of the manifest"
	case tracesWhole:
		return "look at the trace (result.json, traces.examples): something on the way drops or replaces traceparent, or spans were lost"
	case tracesSampled:
		return "look for spans that were lost (the gateways' logs), and for a sampling_rate that is not the scenario's"
	case tracesPassedOn:
		return "look for a plugin that removes traceparent, and for services without the plugin opentelemetry"
	case tracesCollected:
		return "lower topology.tracing.sample, or measure for a shorter time"
	case "state":
		return "empty database and Redis before the stage"
	}
	return ""
}
