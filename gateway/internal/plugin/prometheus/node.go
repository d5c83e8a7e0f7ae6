package prometheus

import (
	"net"
	"os"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// targetStates are Kong's: each is a series, and 1 where it is the target's.
var targetStates = []string{"healthchecks_off", "healthy", "unhealthy", "dns_error"}

// kongNode exports Node under Kong's names while a prometheus plugin is
// configured. Where Kong tells of nginx and Lua, it tells of what has their place
// here: connections and requests of the proxy, goroutines for timers, the Go heap
// for the Lua VM, the response cache's memory for the shared dictionary.
type kongNode struct {
	node    plugin.Node
	cache   interface{ Memory() (used, most int64) } // nil: none
	on      atomic.Bool                              // a prometheus plugin is configured
	targets atomic.Bool                              // one with upstream_health_metrics

	connections, requests, timers, reachable, info, health, heap, dict, dictTotal *prometheus.Desc
}

func newKongNode(d *plugin.Deps) *kongNode {
	labels := func(l ...string) []string { return l }
	desc := func(name string, labels []string, help string) *prometheus.Desc {
		return prometheus.NewDesc("kong_"+name, help, labels, nil)
	}
	k := &kongNode{
		node: d.Node,
		connections: desc("nginx_connections_total", labels("node_id", "subsystem", "state"),
			"Client connections by state: accepted, handled and total (requests) since the start; active, reading, writing and waiting now. "+
				"One whose request is being read is waiting."),
		requests: desc("nginx_requests_total", labels("node_id", "subsystem"), "Requests since the start."),
		timers: desc("nginx_timers", labels("state"),
			"Goroutines, in place of nginx's timers: running or runnable, and pending (waiting)."),
		reachable: desc("datastore_reachable", nil, "1 where the database answers, else 0."),
		info:      desc("node_info", labels("node_id", "version"), "1, with the node's id and version."),
		health: desc("upstream_target_health", labels("upstream", "target", "address", "state", "subsystem"),
			"Health of upstreams' targets: 1 for the state that a target's address has."),
		heap: desc("memory_workers_lua_vms_bytes", labels("node_id", "pid", "kong_subsystem"),
			"Bytes of live objects on the Go heap, in place of the Lua VM's."),
		dict: desc("memory_lua_shared_dict_bytes", labels("node_id", "shared_dict", "kong_subsystem"),
			"Bytes that the response cache holds in memory."),
		dictTotal: desc("memory_lua_shared_dict_total_bytes", labels("node_id", "shared_dict", "kong_subsystem"),
			"Bytes that the response cache may hold in memory."),
	}
	if d.Cache != nil {
		k.cache = d.Cache
	}
	return k
}

// Describe is prometheus.Collector's.
func (k *kongNode) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{k.connections, k.requests, k.timers, k.reachable, k.info, k.health, k.heap, k.dict, k.dictTotal} {
		ch <- d
	}
}

// subsystem is that of all that there is here.
const subsystem = "http"

// Collect is prometheus.Collector's.
func (k *kongNode) Collect(ch chan<- prometheus.Metric) {
	if !k.on.Load() {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(k.info, 1, k.node.ID, k.node.Version)
	k.collectConnections(gauge)
	k.collectRuntime(gauge)
	if k.node.Reachable != nil {
		gauge(k.reachable, number(k.node.Reachable()))
	}
	if k.targets.Load() && k.node.Targets != nil {
		k.collectTargets(gauge)
	}
}

type gaugeFunc func(d *prometheus.Desc, v float64, labels ...string)

func (k *kongNode) collectConnections(gauge gaugeFunc) {
	if k.node.Connections == nil {
		return
	}
	c := k.node.Connections()
	writing := min(c.Writing, c.Active)
	for _, s := range []struct {
		state string
		n     float64
	}{
		{"accepted", float64(c.Accepted)}, {"handled", float64(c.Handled)}, {"total", float64(c.Requests)},
		{"active", float64(c.Active)}, {"reading", 0}, {"writing", float64(writing)}, {"waiting", float64(c.Active - writing)},
	} {
		gauge(k.connections, s.n, k.node.ID, subsystem, s.state)
	}
	gauge(k.requests, float64(c.Requests), k.node.ID, subsystem)
}

// The runtime's own names of what it measures.
const (
	goRunning  = "/sched/goroutines/running:goroutines"
	goRunnable = "/sched/goroutines/runnable:goroutines"
	goWaiting  = "/sched/goroutines/waiting:goroutines"
	goHeap     = "/memory/classes/heap/objects:bytes"
)

func (k *kongNode) collectRuntime(gauge gaugeFunc) {
	samples := []metrics.Sample{{Name: goRunning}, {Name: goRunnable}, {Name: goWaiting}, {Name: goHeap}}
	metrics.Read(samples)
	value := func(i int) float64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0 // a runtime that does not have it
		}
		return float64(samples[i].Value.Uint64())
	}
	gauge(k.timers, value(0)+value(1), "running")
	gauge(k.timers, value(2), "pending")
	gauge(k.heap, value(3), k.node.ID, strconv.Itoa(os.Getpid()), subsystem)
	if k.cache != nil {
		used, most := k.cache.Memory()
		gauge(k.dict, float64(used), k.node.ID, "gatelab_cache", subsystem)
		gauge(k.dictTotal, float64(most), k.node.ID, "gatelab_cache", subsystem)
	}
}

func (k *kongNode) collectTargets(gauge gaugeFunc) {
	for _, t := range k.node.Targets() {
		addresses := t.Addresses
		if t.State == "dns_error" || len(addresses) == 0 {
			addresses = []string{""}
		}
		_, port, _ := net.SplitHostPort(t.Target)
		seen := map[string]bool{}
		for _, a := range addresses {
			if _, _, err := net.SplitHostPort(a); err != nil && a != "" && port != "" { // where a SRV record leads has a port
				a = net.JoinHostPort(strings.Trim(a, "[]"), port)
			}
			if seen[a] {
				continue
			}
			seen[a] = true
			for _, state := range targetStates {
				gauge(k.health, number(state == t.State), t.Upstream, t.Target, a, state, subsystem)
			}
		}
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// use says which prometheus plugins are configured.
func (k *kongNode) use(plugins []plugin.Plugin) {
	k.on.Store(len(plugins) > 0)
	k.targets.Store(slices.ContainsFunc(plugins, func(p plugin.Plugin) bool {
		pr, ok := p.(*prom)
		return ok && pr.UpstreamHealth
	}))
}
