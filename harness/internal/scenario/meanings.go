package scenario

import "regexp"

// meaningOf is a sentence about the key at a path; empty if there is none.
func meaningOf(path string) string { return meanings[commonPath(path)] }

// common are paths of the same kind: their keys have one meaning.
var common = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{pattern: regexp.MustCompile(`^topology\.nodes\.[a-z]+`), by: "topology.nodes.ROLE"},
	{pattern: regexp.MustCompile(`^topology\.links\.[a-z]+`), by: "topology.links.END"},
	{pattern: regexp.MustCompile(`^random\.faults\[\]`), by: "faults[]"},
	{pattern: regexp.MustCompile(`^topology\.regions\[\]\.link\.`), by: "topology.links.END."},
	{pattern: regexp.MustCompile(`^edge\.(?:origin|countries\[\]\.(?:direct|near))\.`), by: "topology.links.END."},
}

// commonPath is the path under which the meaning of a key is written.
func commonPath(path string) string {
	for _, c := range common {
		path = c.pattern.ReplaceAllString(path, c.by)
	}
	return path
}

// meanings say what each key is for, by path. What is allowed is the decoder's to say.
var meanings = map[string]string{
	"name":        "Name of the scenario; in a stage, name of the stage, for --stage.",
	"description": "What the scenario is about, for the report.",
	"base":        "Scenario that lies under this one: this file is an overlay on a stage of it.",
	"stage":       "Stage of the base that lies underneath; not needed if the base has one stage.",
	"changes":     "What a stage changes, in words, for the report.",
	"stages": "The steps of the scenario in their order. Each is an overlay on all stages before it, with a name, changes and " +
		"the keys of a stage below.",
	"profiles":  "Overlays by name, for --profile: the last overlay of every stage, such as shorter attacks.",
	"published": "Figures of the stages that were published elsewhere, by stage, to be compared with.",

	"published.*.qps": "Requests per second of the closed loop.", "published.*.connections": "Connections of that closed loop.",
	"published.*.p50_ms": "Median latency in milliseconds.", "published.*.p99_ms": "99th percentile of the latency in milliseconds.",
	"published.*.error_rate": "Share of requests that failed.", "published.*.availability": "Share of the time or of probes.",
	"published.*.remark": "Where they are from.",

	"seed":   "Seed of the origin's delays and of the random choices of the workload.",
	"rounds": "Number of repetitions of each attack.",

	"topology":           "The nodes of the lab.",
	"topology.replicas":  "Gateways.",
	"topology.balancers": "Load balancers; the second one, lb-2, stands by.",
	"topology.origins":   "Origins; the second one is origin-2.",
	"topology.workers": "Workers that share every attack: an open loop's rate and a closed loop's connections. They begin at one time, and " +
		"their histograms are merged.",
	"topology.nodes":             "Limits of the nodes by role. The host runtime enforces only cores.",
	"topology.nodes.ROLE":        "Limits of the nodes of this role.",
	"topology.nodes.ROLE.cpus":   "CPUs, also fractions; 0 is no limit.",
	"topology.nodes.ROLE.cores":  "Numbers of the cores that it may run on, from 0; none is all.",
	"topology.nodes.ROLE.memory": "Memory, at least 16MiB, as in 256MiB or 1GiB; 0 is no limit.",
	"topology.tracing": "A collector of traces, to which the gateways (plugin opentelemetry) and the origins send spans. " +
		"The trees that they make are checked and reported. Requests of load.probe are all traced, from the worker to the origin.",
	"topology.tracing.sample": "Share of the other requests that the gateways trace.",
	"topology.links": "Delays by the far end: between the gateways and postgres, redis or the origin, or between the load " +
		"balancers and the gateways.",
	"topology.links.END":         "Delay on the way to this role.",
	"topology.links.END.latency": "Delay in one direction; a request waits for both.",
	"topology.links.END.jitter":  "Random deviation of the delay, at most the delay.",
	"topology.links.END.loss": "Share of what is sent that is lost once: it comes a round trip and 200ms later, and what was sent after it " +
		"waits for it, as on a TCP connection.",
	"topology.regions": "Two regions, each with gateways, a load balancer and a Redis of its own (lb-2 and redis-2 are the second one's). " +
		"They share the configuration, in the Postgres of the first one. The load, and its rate, is that of each region. Entities name " +
		"redis: each gateway uses its region's. The origin is in none of them.",
	"topology.regions[].name":     "Name of the region; region-NAME is a target of kill, stop, pause and cut-off.",
	"topology.regions[].replicas": "Gateways of the region.",
	"topology.regions[].link":     "The way to the first region, whose far end is postgres for faults of links.",

	"gateway":               "Settings of the gateway by name, in lower case and without GATEWAY_, as in lookup or pg_max_conns.",
	"lb":                    "The load balancer (nginx) in front of the gateways.",
	"lb.balance":            "How it chooses a gateway.",
	"lb.keepalive":          "Idle connections that it keeps to each gateway; 0 is none.",
	"lb.max_fails":          "Failures within fail_timeout that take a gateway out; 0 is never.",
	"lb.fail_timeout":       "Time in which failures count, and for which a gateway is out; whole seconds.",
	"lb.retries":            "Whether an idempotent request that failed is sent to the next gateway.",
	"lb.connect_timeout":    "Time limit of connecting to a gateway.",
	"lb.idempotent_timeout": "How long a gateway may be silent on a GET or HEAD; not set, as on any other request.",

	"origin": "The simulated API behind the gateways: models and chats of an AI API, and below /v1/any an answer " +
		"for every method and path.",
	"origin.models":              "Number of models, whose ids are 1 to models.",
	"origin.latency":             "Delay of models, lists and /v1/any: log-normal, by two of its quantiles.",
	"origin.latency.median":      "Median of the delay.",
	"origin.latency.p99":         "99th percentile of the delay, at least the median.",
	"origin.chat_latency":        "Delay of chats.",
	"origin.chat_latency.median": "Median of the delay.",
	"origin.chat_latency.p99":    "99th percentile of the delay, at least the median.",
	"origin.chat_concurrency":    "Chats at a time; one more is answered 429. 0 is no limit.",
	"origin.first_token":         "Time to the first token of a stream; needs token_rate.",
	"origin.token_rate":          "Tokens per second of a stream; 0 spreads the delay of the chat over its tokens.",
	"origin.break_rate":          "Share of streams that break off in the middle.",
	"origin.error_rate":          "Share of requests that are answered 500.",
	"origin.body_bytes":          "Size of a response's body.",
	"origin.cache_max_age":       "Cache-Control: max-age of responses, in whole seconds; 0 sends none.",
	"origin.seed":                "Seed of the origin's delays; not set, the stage's seed.",

	"entities": "Configuration of the gateway, in the shape of Kong's declarative configuration. The Admin API checks the " +
		"keys of entities.",
	"entities.services":  "Services with their routes and plugins; http://origin:9000 is the origin.",
	"entities.consumers": "Consumers, beside those that workload.consumers makes.",
	"entities.plugins":   "Global plugins.",
	"entities.upstreams": "Upstreams with their targets.",

	"workload": "Who sends what.",
	"workload.consumers": "Groups of consumers. The harness creates them, gives each a key, and sends it as header " +
		"apikey. No groups: no key is sent.",
	"workload.consumers[].name":   "Name of the group; its consumers are NAME-1 to NAME-COUNT.",
	"workload.consumers[].count":  "Number of consumers.",
	"workload.consumers[].weight": "Share of the requests that several groups may send.",
	"workload.requests":           "The mix of requests.",
	"workload.requests[].name":    "Name of the request in reports.",
	"workload.requests[].method":  "Method.",
	"workload.requests[].path":    "Path with its query; {id} is drawn from 1 to ids.",
	"workload.requests[].body": "Body; {id} is the one of the path. Without a Content-Type header it is sent as " +
		"application/json.",
	"workload.requests[].headers": "Header fields by name. The load generator sets Content-Length, Connection and Accept-Encoding " +
		"itself.",
	"workload.requests[].weight":     "Share of all requests, relative to the weights of the others.",
	"workload.requests[].ids":        "Number of values of {id}.",
	"workload.requests[].zipf":       "Exponent s of the popularity of ids, which falls with 1/id^s; 0 is equal popularity.",
	"workload.requests[].consumers":  "Groups that send it; none is all groups.",
	"workload.requests[].expect":     "Statuses that are a success; not set, 200.",
	"workload.requests[].limited_ok": "Whether a 429 of the gateway is intended and no error.",

	"load":                    "The attacks: closed-loop for the capacity, open-loop for the latency. One of them or both.",
	"load.closed":             "Closed-loop attack: every connection sends its next request when it has its response.",
	"load.closed.connections": "Connections; 0 is no closed-loop attack.",
	"load.closed.warmup":      "Time before the measured window.",
	"load.closed.duration":    "Measured window.",
	"load.closed.timeout":     "Time limit of one request.",
	"load.open":               "Open-loop attack at a rate: share or rate, one of them. The rate stays, or changes over time as shape says.",
	"load.open.share":         "Rate as a share of the open loop's capacity, which a trial after the closed loop estimates by the cores' use.",
	"load.open.rate":          "Requests per second.",
	"load.open.max_rate":      "The highest rate that share makes, in requests per second; 0 is any.",
	"load.open.connections": "The most connections; a request that finds none free waits, and the wait counts as latency. 0 leaves " +
		"it to the load generator.",
	"load.open.warmup":   "Time before the measured window.",
	"load.open.duration": "Measured window.",
	"load.open.timeout":  "Time limit of one request.",
	"load.open.arrivals": "How requests follow each other: at equal intervals, or at random as those of many independent users do. The " +
		"random ones are the same for every run of a seed.",
	"load.open.shape": "How the rate changes over the measured window, in segments: steps, ramps, spikes, pauses. Together they are as long " +
		"as duration. The warm-up has the level of the first one. Capacity searches, gates and drills send at a constant rate.",
	"load.open.shape[].name":  "Name in the report; not set, segment-1 and so on.",
	"load.open.shape[].for":   "How long the segment lasts.",
	"load.open.shape[].level": "Rate with which it begins, as a multiple of the attack's rate.",
	"load.open.shape[].to":    "Rate with which it ends, likewise, after a straight line; not set, the level stays.",
	"load.open.shape[].slo":   "Objectives of what is due in the segment, beside those of the stage: p50 to p99.9, max, mean, errors, qps.",
	"load.probe":              "Probes of the availability beside the open-loop attack.",
	"load.probe.rate":         "Idempotent requests per second and load balancer; 0 is no probe.",
	"load.probe.post_rate":    "Other requests per second and load balancer, in experiments.",
	"load.probe.direct_rate":  "Idempotent requests per second straight to each gateway, in experiments.",
	"load.probe.timeout":      "Time limit of one probe.",

	"edge": "A node near the clients that runs deploy/cloudflare/worker.js. Each country is measured without and " +
		"with it.",
	"edge.vars":               "Variables of the Worker, by names in capitals.",
	"edge.origin":             "Delay between the edge and the load balancer.",
	"edge.countries":          "Groups of clients at one distance; their shares make 1.",
	"edge.countries[].name":   "Name in reports.",
	"edge.countries[].code":   "Country code (ISO 3166-1).",
	"edge.countries[].share":  "Share of the open-loop attack's rate.",
	"edge.countries[].direct": "Delay between clients and the load balancer, without the edge.",
	"edge.countries[].near":   "Delay between clients and the edge.",

	"edge.countries[].published":           "Figures that were published elsewhere.",
	"edge.countries[].published.direct_ms": "Latency without the edge in milliseconds.",
	"edge.countries[].published.edge_ms":   "Latency through the edge in milliseconds.",
	"edge.countries[].published.hit_ratio": "Share of requests that the edge's cache answers.",

	"faults":                 "What is broken during the open-loop attack, each at its time. A fault is over before the attack.",
	"faults[].kind":          "What is done.",
	"faults[].target":        "Node that it is done to, as in gateway-1; target or role, one of them.",
	"faults[].role":          "Role, of which one node is chosen.",
	"faults[].choose":        "How a node of the role is chosen: random (also if not set), or each in turn.",
	"faults[].at":            "Time after the beginning of the measured window.",
	"faults[].recover_after": "Time after which it is undone.",
	"faults[].every":         "Time after which it is done again; not set, once.",
	"faults[].times":         "Number of times with every; not set, as often as the attack has room for.",
	"faults[].latency":       "Delay of latency, jitter, slow-close and origin-slow; not set: 1s, jitter 200ms, origin-slow 2s.",
	"faults[].rate":          "KiB per second of bandwidth, changes per second of churn; not set: 1, churn 10.",
	"faults[].share":         "Share of requests that the origin's faults concern; not set, all.",
	"faults[].cpus":          "CPUs that cpu leaves; not set: 0.05.",
	"random":                 "Faults that are drawn one after the other from the seed, and may overlap.",
	"random.at":              "Time of the first one.",
	"random.gap":             "Mean time between two beginnings.",
	"random.overlap":         "Faults at a time, at most; never two on nodes of one role.",
	"random.faults":          "Faults to draw from, as in faults, but without at, every and times.",
	"writes":                 "Changes of configuration through the Admin API during an experiment.",
	"writes.rate":            "Changes per second.",

	"expect":                       "What an experiment must show. That no acknowledged write is lost is always expected.",
	"expect.idempotent_failed":     "Idempotent requests that failed, of the load and of the probes.",
	"expect.idempotent_failed.min": "The fewest.", "expect.idempotent_failed.max": "The most.",
	"expect.failed":     "Requests of any kind that failed.",
	"expect.failed.min": "The fewest.", "expect.failed.max": "The most.",
	"expect.growth":     "A gateway's goroutines and memory at the end of the load, as a ratio to those at its beginning.",
	"expect.growth.max": "The most.",
	"expect.limit": "A limit on all requests together, in fixed windows. That no window admits more than its permits, or " +
		"above_max more, is always expected.",
	"expect.limit.permits":      "Permits of a window.",
	"expect.limit.window":       "Length of a window.",
	"expect.limit.admitted_min": "Share of its permits that a window without a fault uses, on average, at least.",
	"expect.limit.fault_min":    "The same of windows in which a fault is at work.",
	"expect.limit.above_max":    "Share of its permits that a window in which a fault is at work may admit beyond them.",
	"expect.limit.commands_max": "Commands that Redis gets per request, at most; 0 is any.",
	"expect.limit.cpu_max": "CPU time of the gateways per request, counted / free, at most; 0 is any. Both are sent in closed " +
		"loops before the load, several times in turn.",
	"expect.limit.free":          "Name of a request without a limit; its weight may be 0.",
	"expect.limit.counted":       "Name of the same request with a limit that it does not reach.",
	"expect.tokens":              "A limit of tokens on all requests together, in one window that is longer than the load.",
	"expect.tokens.limit":        "Tokens of the window.",
	"expect.tokens.reserved":     "Tokens that a request reserves, at most: as many may remain counted of one that failed.",
	"expect.tokens.admitted_min": "Share of the limit that is served, at least.",
	"month":                      "What the cost of a fault is scaled to.",
	"month.faults":               "Such faults per month.",
	"month.objective":            "Objective of availability; what remains of 1 is the error budget.",
	"soak": "Whether memory and goroutines of the gateways and the latency grow over the open-loop attack, by a line with its 95% interval: " +
		"drift, no drift or inconclusive. Readings of less than a minute are inconclusive; ten minutes tell more. `{}` takes the defaults.",
	"soak.memory":     "Growth of a gateway's memory that is allowed, as a share of its beginning; 4 MiB at least.",
	"soak.goroutines": "Growth of a gateway's goroutines that is allowed, likewise; 20 at least.",
	"soak.latency":    "Growth of p50 and p99 of a second that is allowed, likewise; 0.5 ms at least.",
	"slo": "What the figures should meet: a text such as `p99<250ms, errors<2%`, a list of such texts, or a map of limits such as " +
		"`{p99: 250ms, errors: 2%, \"p99{login}\": 400ms}`. [slo.md](slo.md) lists the metrics.",
}
