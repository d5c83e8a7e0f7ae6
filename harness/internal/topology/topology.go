// Package topology knows the nodes of our lab: their roles, ports and names, and how a topology becomes specs: databases, origin, links,
// gateway replicas, load balancers, the edge, the load worker, and Prometheus, Alertmanager and Grafana beside them.
package topology

import (
	"fmt"
	"time"
)

// The nodes' roles. Every role but RoleGateway has one node, named after it;
// there may be a second balancer and a second origin.
const (
	RolePostgres = "postgres"
	RoleRedis    = "redis"
	RoleOrigin   = "origin"
	RoleLink     = "link"
	RoleGateway  = "gateway"
	RoleBalancer = "lb"
	RoleWorker   = "worker"
	RoleEdge     = "edge"

	RoleCollector = "collector" // of traces

	RolePrometheus   = "prometheus"
	RoleAlertmanager = "alertmanager"
	RoleGrafana      = "grafana"
	RoleMonitor      = "monitor" // our page of Prometheus' targets and alerts
)

// The ports of the nodes, the same in every runtime that gives each node an
// address of its own.
const (
	PortPostgres     = 5432
	PortRedis        = 6379
	PortOrigin       = 9000
	PortLinkAdmin    = 8474
	PortProxy        = 8000 // gateway
	PortAdmin        = 8001 // gateway
	PortStatus       = 8100 // gateway
	PortBalancer     = 8000
	PortBalancerStat = 8100 // balancer: /health and /status
	PortWorker       = 7000
	PortNull         = 9100 // origin: the null server
	PortCollector    = 4318 // OTLP over HTTP, and what was found in it
	PortPrometheus   = 9090
	PortAlertmanager = 9093
	PortGrafana      = 3000
	PortMonitor      = 8091
)

// SmallDisk is where Postgres finds a disk of smallDiskMB, where the topology
// wants one: it is the program's own, and in memory.
const SmallDisk = "/gatelab-small"

const smallDiskMB = 48 // the configuration of a gateway takes one

// Resources limit a node. Zero is no limit.
type Resources struct {
	CPUs   float64
	Memory int64 // bytes
	Cores  []int // from 0; none: all
}

// Link is a delay between the gateways and one node behind them.
type Link struct {
	Latency time.Duration // one way, each direction
	Jitter  time.Duration // plus or minus, uniform
	Loss    float64       // share of what is sent that is lost once, 0 to 1
}

// arg is the delay as the link command takes it.
func (k Link) arg() string {
	if k.Loss == 0 {
		return fmt.Sprintf("%s,%s", k.Latency, k.Jitter)
	}
	return fmt.Sprintf("%s,%s,%g", k.Latency, k.Jitter, k.Loss)
}

// Topology is the whole lab, as a scenario's stage wants it.
type Topology struct {
	// Roles keeps nodes of these roles only, as for a comparison whose arms are no replicas of ours; none: all.
	Roles    []string
	Replicas int
	// Regions are several sets of gateways, each with a balancer and a Redis of its own; none: all gateways are one set. Then Replicas and
	// Balancers are those of all regions together.
	Regions   []Region
	Balancers int                  // 0 is 1; the second, lb-2, stands by
	Origins   int                  // 0 is 1; the second is origin-2
	Workers   int                  // 0 is 1; they share every attack
	Resources map[string]Resources // by role
	Links     map[string]Link      // by role of the far end: postgres, redis, origin; gateway for the ways from the balancers
	Gateway   map[string]string    // GATEWAY_* settings by lower-case name without the prefix
	Origin    map[string]string    // flags of the origin command by name, without dashes
	Balancer  Balance
	Edge      *Edge // nil: clients reach the balancer without one
	Observe   bool  // a Prometheus with our alerts and an Alertmanager, where they can be had, and a page about both
	Grafana   bool  // a Grafana with our dashboards, where it can be had
	Collector bool  // a collector of traces, to which the origins send spans
	// Connections is how many connections Postgres allows; 0 is 200.
	Connections int
	SmallDisk   bool     // Postgres has a disk that can be filled, at SmallDisk
	Worker      []string // further arguments of the worker command
	// Programs are builds of the gateway other than ProgramGateway, by node name:
	// "gateway-2" -> "gateway@base". What follows the @ is the build's name; the
	// runtime must know its binary.
	Programs map[string]string
	// Settings go over Gateway's, by node name.
	Settings map[string]map[string]string
}

// Balance is the load balancer's behaviour.
type Balance struct {
	Method      string        // round_robin (also ""), least_conn
	Keepalive   int           // idle connections to each upstream a worker process keeps; 0 none
	MaxFails    int           // failures within FailTimeout that take a replica out; 0 never
	FailTimeout time.Duration // also how long it stays out
	Retries     bool          // try the next replica for idempotent requests
	Connect     time.Duration // what connecting to a replica may take; 0 is the template's own
	Idempotent  time.Duration // how long a replica may keep silent on a GET or HEAD; 0: as on any other request
}
