package measure

// Remedy says what to do where the named check is not OK, as the rest of a
// sentence; empty where there is nothing to do.
func Remedy(check string) string {
	switch check {
	case "rate kept":
		return "lower the rate, or give the worker more cores"
	case "send lag":
		return "lower the rate, or take load off the worker's cores: latency counted from late sends is not the target's alone"
	case "workers":
		return "raise the cap (and the limit of open files), or lower the rate: requests waited in the worker"
	case "generator's CPU":
		return "give the worker more cores, lower the rate, or use several workers (--workers)"
	case "generator's ceiling":
		return "give the worker more cores: the figure may be the generator's own limit"
	case Together:
		return "look into the log of the worker; on a busy machine end what else runs: what the workers saw must be of the same seconds"
	case "Little's law":
		return "look for reconnects and pauses: latency or rate was counted wrongly, or connections stood idle"
	case "errors":
		return "lower the load, or raise the budget if so many are meant to fail"
	case "right content":
		return "look at the mismatches in the result: something answers with what was not asked for"
	case "origin's own count":
		return "look for retries, for other clients of the origin, and for answers that came from elsewhere"
	case "enough samples":
		return "measure longer"
	case "steady state":
		return "lengthen the warm-up and measure longer"
	case "connections":
		return "turn keep-alive on along the way, or declare that the scenario breaks connections"
	case "host":
		return "run again when the machine is quiet"
	case memoryCheck:
		return "do not use memory and CPU of this attack: a control group that is not the node's was read; report it with the manifest's kernel" +
			" and engine"
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
