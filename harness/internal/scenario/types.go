package scenario

import (
	"strconv"
	"time"

	"github.com/gatelab/gatelab/harness/internal/slo"
)

// Scenario is one experiment: its stages in order, its profiles, and the
// figures that others published of it.
type Scenario struct {
	File        string // as given to Load or Parse
	Name        string
	Description string
	StageNames  []string             // in the file's order
	Profiles    []string             // sorted
	Published   map[string]Published // by stage name

	root      *node     // the whole file
	base      *Scenario // the file that this one lies on; nil: none
	baseStage string    // of it
	changes   []string  // of a file without stages of its own
}

// Stage is one step of a scenario, with everything before it and the profile
// merged in and every default filled.
type Stage struct {
	Name      string
	Changes   []string // what this stage turned on, in words
	Rounds    int      // how often each attack is repeated, 1 to 100
	Seed      uint64   // of the origin and the attacks
	Topology  Topology
	Gateway   map[string]string // GATEWAY_* settings by lower-case name without the prefix
	LB        LB
	Origin    Origin
	Entities  map[string]any // Kong's declarative shape: maps, []any, string, bool, int64, float64, nil
	Workload  Workload
	Load      Attacks
	Edge      Edge
	Faults    []Fault // injected during the open-loop attack
	Random    Random  // more of them, drawn from Seed
	Writes    Writes  // of configuration, during the open-loop attack of an experiment
	Expect    Expect  // what an experiment must show
	Month     Month
	SLO       slo.Objectives // what the stage's figures should meet
	Soak      Soak           // whether memory, goroutines and latency may grow over the open-loop attack
	Published *Published     // nil: there are no published figures of this stage
}

// Bytes is an amount of memory. In YAML 256MiB, 1GiB, 64KiB, 500MB or a plain
// number.
type Bytes int64

// String is the amount in the largest binary unit that divides it: 256MiB.
func (b Bytes) String() string {
	for _, u := range []struct {
		name string
		size Bytes
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// Topology is what the lab builds.
type Topology struct {
	Replicas  int             // gateways, 1 to 9; those of all regions
	Regions   []Region        // none: all nodes are in one place
	Balancers int             // 1, or 2: lb-2 stands by
	Origins   int             // 1, or 2: origin and origin-2
	Workers   int             // that share every attack, 1 to 9
	Nodes     map[string]Node // by role: gateway, lb, postgres, redis, origin, worker, link, edge, collector
	Links     map[string]Link // by far end: postgres, redis, origin, or gateway for the ways from the balancers
	Tracing   Tracing
}

// Tracing is a collector of traces beside the gateways, which all have the plugin opentelemetry.
type Tracing struct {
	On     bool    // the file has a tracing
	Sample float64 // share of the requests without a trace of their own that the gateways trace, 0 to 1
}

// Node limits one node's resources. Zero is no limit. The host runtime enforces
// only Cores.
type Node struct {
	CPUs   float64
	Memory Bytes
	Cores  []int // the cores it may run on, from 0; none: all
}

// Link is a delay between the gateways and a node behind them.
type Link struct {
	Latency time.Duration // one way, each direction
	Jitter  time.Duration // plus or minus, never above Latency
	Loss    float64       // share of what is sent that is lost once
}

// Region is a set of gateways with a load balancer and a Redis of its own. The first one has Postgres.
type Region struct {
	Name     string
	Replicas int
	Link     Link // the way to the first region
}

// LB is the load balancer's behaviour.
type LB struct {
	Balance     string        // round_robin or least_conn
	Keepalive   int           // idle connections kept to each gateway; 0 none
	MaxFails    int           // failures within FailTimeout that take a replica out; 0 never
	FailTimeout time.Duration // also how long it stays out
	Retries     bool          // tries the next replica for idempotent requests
	Connect     time.Duration // what connecting to a replica may take; 0 is the template's own
	Idempotent  time.Duration // what a replica may keep silent on a GET or HEAD; 0: as on any other request
}

// Origin is the simulated upstream API.
type Origin struct {
	Models          int           // how many models there are
	Latency         Latency       // of models and lists
	ChatLatency     Latency       // of chat completions
	ChatConcurrency int           // chats at a time; one more is answered 429. 0 is no limit
	FirstToken      time.Duration // from a stream's request to its first event; with TokenRate only
	TokenRate       float64       // events per second of a stream; 0: the chat's delay is spread over them
	BreakRate       float64       // share of streams that break off in the middle
	ErrorRate       float64       // share of requests answered 500
	BodyBytes       int           // size of a model's body
	CacheMaxAge     time.Duration // Cache-Control: max-age; 0 sends none
	Seed            uint64        // the stage's seed where the file has none
}

// Latency is a log-normal distribution, by two of its quantiles. Both zero is
// no delay.
type Latency struct {
	Median time.Duration
	P99    time.Duration
}

// Flags are the origin command's flags by name, without dashes.
func (o Origin) Flags() map[string]string {
	return map[string]string{
		"models":           strconv.Itoa(o.Models),
		"median":           o.Latency.Median.String(),
		"p99":              o.Latency.P99.String(),
		"chat-median":      o.ChatLatency.Median.String(),
		"chat-p99":         o.ChatLatency.P99.String(),
		"chat-concurrency": strconv.Itoa(o.ChatConcurrency),
		"first-token":      o.FirstToken.String(),
		"token-rate":       strconv.FormatFloat(o.TokenRate, 'g', -1, 64),
		"break-rate":       strconv.FormatFloat(o.BreakRate, 'g', -1, 64),
		"error-rate":       strconv.FormatFloat(o.ErrorRate, 'g', -1, 64),
		"body-bytes":       strconv.Itoa(o.BodyBytes),
		"cache-max-age":    o.CacheMaxAge.String(),
		"seed":             strconv.FormatUint(o.Seed, 10),
	}
}

// Workload is who asks for what.
type Workload struct {
	Consumers []ConsumerGroup
	Requests  []Request
}

// ConsumerGroup is Count consumers that behave alike, called Name-1 to
// Name-Count; the runner makes them and their keys.
type ConsumerGroup struct {
	Name   string
	Count  int
	Weight float64 // share of the requests that several groups may send
}

// Request is one kind of request in the mix.
type Request struct {
	Name      string
	Method    string
	Path      string // {id} is drawn from 1 to IDs
	Body      string // {id} is the path's
	Headers   map[string]string
	Weight    float64  // share of all requests, relative to the other requests' weights
	IDs       int      // 0: there is no {id}
	Zipf      float64  // exponent s of the ids' popularity, which falls with 1/id^s; 0 is uniform
	Consumers []string // groups that send it; empty is every group
	Expect    []int    // statuses that are a success
	LimitedOK bool     // a 429 that the gateway made is "limited", not an error
}

// Attacks are how a stage is loaded: first closed, to find the capacity, then
// open, for the latency that people read.
type Attacks struct {
	Closed Closed
	Open   Open
	Probe  Probe
}

// Closed is the closed-loop attack. Zero Connections: there is none.
type Closed struct {
	Connections int
	Warmup      time.Duration
	Duration    time.Duration
	Timeout     time.Duration // of one request
}

// Open is the open-loop attack. Zero Duration: there is none.
type Open struct {
	Share       float64 // of the open loop's capacity; 0 where Rate is given
	Rate        float64 // requests per second; 0 where Share is given
	MaxRate     float64 // requests per second that Share makes at most; 0: any
	Connections int     // the most connections; 0 leaves it to the worker
	Warmup      time.Duration
	Duration    time.Duration
	Timeout     time.Duration // of one request
	Shape       []Segment     // of the rate over Duration; none: it stays
	Arrivals    string        // ArrivalsEven or ArrivalsPoisson
}

// Probe asks apart from the load whether the service is available. Zero Rate:
// no probe. An experiment asks every entry point by itself.
type Probe struct {
	Rate       float64 // idempotent requests per second and balancer
	PostRate   float64 // others, per second and balancer; 0: none
	DirectRate float64 // idempotent requests per second straight to each gateway; 0: none
	Timeout    time.Duration
}

// Soak says by how much figures may grow over the open-loop attack, as shares of what they are at its beginning.
type Soak struct {
	On         bool // the file has a soak
	Memory     float64
	Goroutines float64
	Latency    float64
}

// Published are figures of a stage from another source. Zero: not given.
type Published struct {
	QPS          float64
	Connections  int // of the closed loop that found QPS
	P50Ms        float64
	P99Ms        float64
	ErrorRate    float64
	Availability float64
	Remark       string
}
