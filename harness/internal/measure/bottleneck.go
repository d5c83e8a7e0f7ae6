package measure

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NodeLoad is one node over the measured window.
type NodeLoad struct {
	Name        string
	Role        string
	Utilisation *float64 // CPU used of its limit, or of the host's cores where it has none; 0 to 1
	Throttled   *float64 // share of the window in which its CPU limit held it up, 0 to 1
}

// Saturation is what is known of a stage beside its nodes' CPU. Nil and zero
// are unknown.
type Saturation struct {
	Nodes    []NodeLoad
	HostBusy *float64 // share of all cores in use, 0 to 1

	PoolMax      int           // database connections of one replica
	PoolInUseMax int           // most of them in use at a time
	PoolWait     time.Duration // mean wait for one, per request

	RedisPerRequest time.Duration // time a request spends in Redis
	OriginLatency   time.Duration // mean, of requests that reach the origin
	OriginShare     float64       // share of requests that reach it, 0 to 1
	OriginInFlight  int           // most at a time
	OriginLimit     int           // it refuses more
	OriginRefused   uint64        // 429s of its own
	Limited         uint64        // requests the gateway refused by its limits
	Requests        uint64
	Latency         time.Duration // mean service latency
	Connections     int           // closed loop
	Reached         bool          // open loop: the offered rate was kept; nothing was pushed to its limit
}

// Bottleneck is what limits a stage, by the rule that fired and its figures.
type Bottleneck struct {
	Component string `json:"component"`
	Rule      string `json:"rule"`
	Evidence  string `json:"evidence"`
}

// Thresholds of the rules.
const (
	fullCPU     = 0.95 // no doubt
	highCPU     = 0.85
	busyHost    = 0.90
	manyWait    = 0.20 // share of the latency spent waiting for one thing
	manyLimited = 0.50
	manyRefused = 0.001 // share of requests that the origin has no room for
	throttled   = 0.10
)

// Bottlenecks are all rules that fired, the one that limits first. There is
// always one: where no rule fires it says that none did.
func Bottlenecks(s Saturation) []Bottleneck {
	rules := []func(Saturation) []Bottleneck{
		generatorFull,
		fullNode, poolWait, originLimit, busyNode, throttledNode, hostFull,
		redisWait, rateLimited, originLatency,
	}
	var out []Bottleneck
	for _, rule := range rules {
		for _, b := range rule(s) {
			if !slices.ContainsFunc(out, func(o Bottleneck) bool { return o.Component == b.Component && o.Rule == b.Rule }) {
				out = append(out, b)
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	if s.Reached {
		return []Bottleneck{{Component: "none", Rule: "offered rate kept", Evidence: "nothing was saturated" + s.busiest()}}
	}
	return []Bottleneck{{Component: "unknown", Rule: "no rule fired", Evidence: "nothing was saturated" + s.busiest()}}
}

// cpu lists the nodes at or above a share of their CPU, busiest first.
func (s Saturation) cpu(from float64, want func(role string) bool) []NodeLoad {
	var out []NodeLoad
	for _, n := range s.Nodes {
		if n.Utilisation != nil && *n.Utilisation >= from && want(n.Role) {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b NodeLoad) int {
		switch {
		case *a.Utilisation > *b.Utilisation:
			return -1
		case *a.Utilisation < *b.Utilisation:
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

func (s Saturation) busiest() string {
	nodes := s.cpu(0, func(string) bool { return true })
	if len(nodes) == 0 {
		return ""
	}
	return fmt.Sprintf("; busiest is %s with %.0f%% of its CPU", nodes[0].Name, *nodes[0].Utilisation*100)
}

const workerRole = "worker"

func notWorker(role string) bool { return role != workerRole }

// generatorFull comes first: a run that the generator limits tells nothing of
// the rest.
func generatorFull(s Saturation) []Bottleneck {
	return cpuFindings(s.cpu(highCPU, func(role string) bool { return role == workerRole }), "generator saturated")
}

func fullNode(s Saturation) []Bottleneck {
	return cpuFindings(s.cpu(fullCPU, notWorker), "CPU saturated")
}

func busyNode(s Saturation) []Bottleneck {
	return cpuFindings(s.cpu(highCPU, notWorker), "CPU saturated")
}

func cpuFindings(nodes []NodeLoad, rule string) []Bottleneck {
	var out []Bottleneck
	for _, n := range nodes {
		out = append(out, Bottleneck{Component: n.Name, Rule: rule, Evidence: fmt.Sprintf("%.0f%% of its CPU", *n.Utilisation*100)})
	}
	return out
}

func throttledNode(s Saturation) []Bottleneck {
	var out []Bottleneck
	for _, n := range s.Nodes {
		if n.Throttled != nil && *n.Throttled >= throttled {
			out = append(out, Bottleneck{Component: n.Name, Rule: "CPU limit throttles",
				Evidence: fmt.Sprintf("throttled %.0f%% of the time", *n.Throttled*100)})
		}
	}
	return out
}

// poolWait needs a full pool as well as waiting: a pool of one is always full.
func poolWait(s Saturation) []Bottleneck {
	if s.PoolMax <= 0 || s.PoolInUseMax < s.PoolMax || !s.muchOf(s.PoolWait) {
		return nil
	}
	return []Bottleneck{{Component: "postgres pool", Rule: "waiting for a connection",
		Evidence: fmt.Sprintf("%d of %d in use, %s of a mean %s waited", s.PoolInUseMax, s.PoolMax, span(s.PoolWait), span(s.Latency))}}
}

func originLimit(s Saturation) []Bottleneck {
	atLimit := s.OriginLimit > 0 && s.OriginInFlight >= s.OriginLimit
	// A handful among hundreds of thousands is a moment, not a limit.
	if !atLimit || s.OriginRefused == 0 || float64(s.OriginRefused) < manyRefused*float64(s.Requests) {
		return nil
	}
	return []Bottleneck{{Component: "origin", Rule: "concurrency limit",
		Evidence: fmt.Sprintf("%d of %d at a time, %d refused", s.OriginInFlight, s.OriginLimit, s.OriginRefused)}}
}

func hostFull(s Saturation) []Bottleneck {
	if s.HostBusy == nil || *s.HostBusy < busyHost {
		return nil
	}
	return []Bottleneck{{Component: "host", Rule: "all cores busy",
		Evidence: fmt.Sprintf("%.0f%% of the host's cores in use%s", *s.HostBusy*100, s.busiest())}}
}

func redisWait(s Saturation) []Bottleneck {
	if !s.muchOf(s.RedisPerRequest) {
		return nil
	}
	return []Bottleneck{{Component: "redis", Rule: "round trips",
		Evidence: fmt.Sprintf("%s of a mean %s", span(s.RedisPerRequest), span(s.Latency))}}
}

func rateLimited(s Saturation) []Bottleneck {
	if s.Requests == 0 || float64(s.Limited)/float64(s.Requests) < manyLimited {
		return nil
	}
	return []Bottleneck{{Component: "gateway's limits", Rule: "most requests are refused",
		Evidence: fmt.Sprintf("%d of %d limited", s.Limited, s.Requests)}}
}

// originLatency is the closed loop's own limit: with nothing saturated, N
// connections can do no more than N by the latency.
func originLatency(s Saturation) []Bottleneck {
	spent := time.Duration(float64(s.OriginLatency) * s.OriginShare)
	if s.Connections <= 0 || spent <= 0 || s.Latency <= 0 || spent < s.Latency/2 {
		return nil
	}
	return []Bottleneck{{Component: "origin", Rule: "latency, with this many connections",
		Evidence: fmt.Sprintf("%s of a mean %s on %d connections, which is %.0f/s at most",
			span(spent), span(s.Latency), s.Connections, float64(s.Connections)/s.Latency.Seconds())}}
}

func (s Saturation) muchOf(d time.Duration) bool {
	return d > 0 && s.Latency > 0 && float64(d) >= manyWait*float64(s.Latency)
}

// span is a time in words, with three digits at most.
func span(d time.Duration) string {
	if d >= time.Second {
		return strconv.FormatFloat(d.Seconds(), 'g', 3, 64) + " s"
	}
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'g', 3, 64) + " ms"
}
