package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/lab/docker"
	"gatelab/harness/internal/lab/host"
)

// Stack is a lab that was left running.
type Stack struct {
	Addresses    []Address
	Admin, Proxy string // of the first gateway and of the balancer, as URLs
	Origin       string // where the gateways reach it, as a URL
	Prometheus   string // as a URL; empty: it was left out
	Grafana      string // likewise
}

// Address is where a part of a stack can be reached from this machine.
type Address struct{ Name, URL string }

// upPorts are the fixed ports of a stack, on loopback.
func upPorts(replicas int) map[string]int {
	ports := map[string]int{
		fmt.Sprintf("%s:%d", lab.RoleBalancer, lab.PortBalancer):     8000,
		fmt.Sprintf("%s:%d", lab.RoleBalancer, lab.PortBalancerStat): 8080,
		fmt.Sprintf("%s:%d", lab.RoleOrigin, lab.PortOrigin):         9000,
	}
	for i := 1; i <= replicas; i++ {
		name := lab.GatewayName(i)
		ports[fmt.Sprintf("%s:%d", name, lab.PortAdmin)] = 8000 + i
		ports[fmt.Sprintf("%s:%d", name, lab.PortStatus)] = 8100 + i
		ports[fmt.Sprintf("%s:%d", name, lab.PortProxy)] = 8200 + i
	}
	return ports
}

// Up starts the lab of one stage, unconfigured, on fixed ports, and leaves it
// running. After an error nothing is left.
func Up(ctx context.Context, o Options) (*Stack, error) {
	o.Reports = "reports"
	r, err := prepare(o)
	if err != nil {
		return nil, err
	}
	t := topology(&r.stages[0])
	ports := upPorts(t.Replicas)
	if err := portsFree(ports); err != nil {
		return nil, err
	}
	r.observe(&t, ports)
	c, err := r.carry(ctx, carryOptions{id: "up", keep: true, ports: ports})
	if err != nil {
		return nil, err
	}
	if _, err := c.runtime.Sweep(ctx); err != nil {
		return nil, errors.Join(err, c.runtime.Close(context.WithoutCancel(ctx)))
	}
	if c.name == RuntimeHost && t.Grafana {
		t.Grafana = false
		r.Console.Step("grafana is left out: it comes as a container image; `make dashboards` imports the dashboards into one that you have")
	}
	began := time.Now()
	l, err := lab.Start(ctx, c.runtime, t, lab.Options{Layout: c.layout, Ports: ports, Progress: func(string) {}})
	if err != nil {
		return nil, err
	}
	r.Console.Step("up: %d nodes in %.1f s", len(l.Nodes("")), time.Since(began).Seconds())
	out := &Stack{
		Admin: "http://127.0.0.1:8001", Proxy: "http://127.0.0.1:8000",
		Origin: "http://" + l.Far(lab.RoleOrigin, lab.PortOrigin),
	}
	out.Addresses = append(out.Addresses, Address{"proxy (balancer)", out.Proxy}, Address{"balancer's status", "http://127.0.0.1:8080/status"},
		Address{"origin", "http://127.0.0.1:9000/v1/models"})
	for i := 1; i <= t.Replicas; i++ {
		out.Addresses = append(out.Addresses, Address{lab.GatewayName(i) + " Admin API", fmt.Sprintf("http://127.0.0.1:%d", 8000+i)},
			Address{lab.GatewayName(i) + " metrics", fmt.Sprintf("http://127.0.0.1:%d/metrics", 8100+i)})
	}
	for _, far := range []struct {
		role string
		port int
	}{{lab.RolePostgres, lab.PortPostgres}, {lab.RoleRedis, lab.PortRedis}} {
		if n, ok := l.Node(far.role); ok {
			out.Addresses = append(out.Addresses, Address{far.role, n.HostAddr(far.port)})
		}
	}
	watching := map[string]string{}
	for _, role := range slices.Sorted(maps.Keys(observerPorts)) {
		if n, ok := l.Node(role); ok {
			watching[role] = "http://" + n.HostAddr(observerPorts[role])
			out.Addresses = append(out.Addresses, Address{role, watching[role]})
		}
	}
	out.Prometheus, out.Grafana = watching[lab.RolePrometheus], watching[lab.RoleGrafana]
	return out, nil
}

// observerPorts are the ports of the nodes that watch the others, and those on
// loopback.
var observerPorts = map[string]int{
	lab.RolePrometheus: lab.PortPrometheus, lab.RoleAlertmanager: lab.PortAlertmanager, lab.RoleGrafana: lab.PortGrafana,
}

// observe asks for the nodes that watch the others, on their usual ports. A
// machine may have a Prometheus or a Grafana there already: the stack then does
// without.
func (r *run) observe(t *lab.Topology, ports map[string]int) {
	wanted := func(roles ...string) bool {
		own := map[string]int{}
		for _, role := range roles {
			own[fmt.Sprintf("%s:%d", role, observerPorts[role])] = observerPorts[role]
		}
		if err := portsFree(own); err != nil {
			r.Console.Step("left out: %s (%v)", strings.Join(roles, ", "), err)
			return false
		}
		maps.Copy(ports, own)
		return true
	}
	t.Observe = wanted(lab.RoleAlertmanager, lab.RolePrometheus)
	t.Grafana = t.Observe && wanted(lab.RoleGrafana)
}

// portsFree looks before anything is made: a stack that is up already must not
// be taken down by the failure of a second one.
func portsFree(ports map[string]int) error {
	for _, node := range slices.Sorted(maps.Keys(ports)) {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports[node]))
		if err != nil {
			return fmt.Errorf("port %d on 127.0.0.1, wanted for %s, is in use: is the stack up already? `make down` removes it; otherwise stop what listens there", ports[node], node)
		}
		ln.Close()
	}
	return nil
}

// Down removes the stacks that Up left running, of either kind, and returns
// the names of what it removed.
func Down(ctx context.Context) ([]string, error) {
	processes, err := host.Down()
	containers, cerr := docker.Down(ctx, docker.Config{})
	if errors.Is(cerr, docker.ErrNoEngine) {
		cerr = nil // then there are none
	}
	return append(processes, containers...), errors.Join(err, cerr)
}
