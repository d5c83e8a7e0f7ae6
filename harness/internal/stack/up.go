// Package stack starts the lab of one stage with fixed ports and leaves it running, to use by hand, and removes it again.
package stack

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Options say which stage's lab to start.
type Options struct {
	session.Config
	File  string
	Stage string
}

// Stack is a lab that was left running.
type Stack struct {
	Addresses    []Address
	Admin, Proxy string // of the first gateway and of the balancer, as URLs
	Origin       string // where the gateways reach it, as a URL
	Prometheus   string // as a URL; empty: it was left out
	Grafana      string // likewise
	Monitor      string // the page of Prometheus' targets and alerts, as a URL; empty: there is no Prometheus
}

// Address is where a part of a stack can be reached from this machine.
type Address struct{ Name, URL string }

// Up starts the stage's lab, unconfigured, on fixed ports, and leaves it running. After an error nothing is left.
func Up(ctx context.Context, o Options) (*Stack, error) {
	plan, err := stage.Load(o.File, o.Profile, o.Stage)
	if err != nil {
		return nil, err
	}
	step := session.Steps(o.Observer)
	t := stage.Topology(&plan.Stages[0])
	ports := fixedPorts(t.Replicas)
	if err := portsFree(ports); err != nil {
		return nil, err
	}
	observe(&t, ports, step)
	rt, err := session.Keep(ctx, o.Config, "up", ports)
	if err != nil {
		return nil, err
	}
	if rt.Name == session.RuntimeHost && t.Grafana {
		t.Grafana = false
		step("grafana is left out: it comes as a container image; `make dashboards` imports the dashboards into one that you have")
	}
	began := time.Now()
	l, err := topology.Start(ctx, rt.Runtime, t, lab.Options{
		Layout: rt.Layout(), Ports: ports, KnownNode: topology.KnownNode, Progress: func(string) {},
	})
	if err != nil {
		return nil, err
	}
	step("up: %d nodes in %.1f s", len(l.Nodes("")), time.Since(began).Seconds())
	return describe(l, t), nil
}

// describe is where the parts of a stack can be reached.
func describe(l *lab.Lab, t topology.Topology) *Stack {
	out := &Stack{
		Admin: "http://127.0.0.1:8001", Proxy: "http://127.0.0.1:8000",
		Origin: "http://" + t.Far(l.Layout(), topology.RoleOrigin, topology.PortOrigin),
	}
	add := func(name, url string) { out.Addresses = append(out.Addresses, Address{name, url}) }
	add("proxy (balancer)", out.Proxy)
	add("balancer's status", "http://127.0.0.1:8080/status")
	add("origin", "http://127.0.0.1:9000/v1/models")
	for i := 1; i <= t.Replicas; i++ {
		add(topology.GatewayName(i)+" Admin API", fmt.Sprintf("http://127.0.0.1:%d", 8000+i))
		add(topology.GatewayName(i)+" metrics", fmt.Sprintf("http://127.0.0.1:%d/metrics", 8100+i))
	}
	for _, store := range []struct {
		role string
		port int
	}{{topology.RolePostgres, topology.PortPostgres}, {topology.RoleRedis, topology.PortRedis}} {
		if n, ok := l.Node(store.role); ok {
			add(store.role, n.HostAddr(store.port))
		}
	}
	urls := map[string]string{}
	for _, role := range slices.Sorted(maps.Keys(observerPorts)) {
		if n, ok := l.Node(role); ok {
			urls[role] = "http://" + n.HostAddr(observerPorts[role])
			add(role, urls[role])
		}
	}
	out.Prometheus, out.Grafana = urls[topology.RolePrometheus], urls[topology.RoleGrafana]
	if n, ok := l.Node(topology.RoleMonitor); ok && out.Prometheus != "" {
		out.Monitor = "http://" + n.HostAddr(topology.PortMonitor)
		add("targets and alerts", out.Monitor)
	}
	return out
}

// fixedPorts are the ports of a stack on loopback, by "node:port".
func fixedPorts(replicas int) map[string]int {
	ports := map[string]int{
		fmt.Sprintf("%s:%d", topology.RoleBalancer, topology.PortBalancer):     8000,
		fmt.Sprintf("%s:%d", topology.RoleBalancer, topology.PortBalancerStat): 8080,
		fmt.Sprintf("%s:%d", topology.RoleOrigin, topology.PortOrigin):         9000,
	}
	for i := 1; i <= replicas; i++ {
		name := topology.GatewayName(i)
		ports[fmt.Sprintf("%s:%d", name, topology.PortAdmin)] = 8000 + i
		ports[fmt.Sprintf("%s:%d", name, topology.PortStatus)] = 8100 + i
		ports[fmt.Sprintf("%s:%d", name, topology.PortProxy)] = 8200 + i
	}
	return ports
}

// observerPorts are the ports of Prometheus, Alertmanager and Grafana, also those on loopback.
var observerPorts = map[string]int{
	topology.RolePrometheus:   topology.PortPrometheus,
	topology.RoleAlertmanager: topology.PortAlertmanager,
	topology.RoleGrafana:      topology.PortGrafana,
}

// monitorPort is the port of the page about them.
var monitorPort = map[string]int{fmt.Sprintf("%s:%d", topology.RoleMonitor, topology.PortMonitor): topology.PortMonitor}

// observe asks for Prometheus, Alertmanager and Grafana on their usual ports. If such a port is in use, the stack does without.
func observe(t *topology.Topology, ports map[string]int, step func(string, ...any)) {
	wanted := func(roles ...string) bool {
		own := map[string]int{}
		for _, role := range roles {
			own[fmt.Sprintf("%s:%d", role, observerPorts[role])] = observerPorts[role]
		}
		if err := portsFree(own); err != nil {
			step("left out: %s (%v)", strings.Join(roles, ", "), err)
			return false
		}
		maps.Copy(ports, own)
		return true
	}
	t.Observe = wanted(topology.RoleAlertmanager, topology.RolePrometheus)
	if t.Observe && portsFree(monitorPort) == nil { // else it has a port that is chosen
		maps.Copy(ports, monitorPort)
	}
	t.Grafana = t.Observe && wanted(topology.RoleGrafana)
}

// portsFree looks before anything is made: the failure of a second stack must not take the first one down.
func portsFree(ports map[string]int) error {
	for _, node := range slices.Sorted(maps.Keys(ports)) {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports[node]))
		if err != nil {
			return fmt.Errorf("port %d on 127.0.0.1, wanted for %s, is in use: is the stack up already? "+
				"`make down` removes it; otherwise stop what listens there", ports[node], node)
		}
		ln.Close()
	}
	return nil
}

// Down removes the stacks that Up left running, of every runtime, and returns the names of what it removed.
func Down(ctx context.Context) ([]string, error) { return session.Runtimes().Down(ctx) }
