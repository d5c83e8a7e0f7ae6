package topology

import (
	"fmt"
	"math"
	"strconv"

	"github.com/gatelab/gatelab/deploy/nginx"
	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Balancer is the i-th nginx in front of the replicas, from 1.
func Balancer(t Topology, l lab.Layout, i int) (lab.Spec, error) {
	name := NameOf(RoleBalancer, i)
	c := nginx.Config{
		Listen:      l.ListenAddr(name, PortBalancer),
		Status:      l.ListenAddr(name, PortBalancerStat),
		Method:      t.Balancer.Method,
		Keepalive:   t.Balancer.Keepalive,
		MaxFails:    t.Balancer.MaxFails,
		FailTimeout: t.Balancer.FailTimeout,
		Retries:     t.Balancer.Retries,
		Connect:     t.Balancer.Connect,
		Idempotent:  t.Balancer.Idempotent,
		Workers:     int(math.Ceil(t.Resources[RoleBalancer].CPUs)),
	}
	for _, name := range t.behind(i) {
		c.Upstreams = append(c.Upstreams, t.toGateway(l, name))
	}
	conf, err := nginx.Render(c)
	if err != nil {
		return lab.Spec{}, fmt.Errorf("lb: %w", err)
	}
	return t.limit(lab.Spec{
		Name: name, Role: RoleBalancer, Program: lab.ProgramNginx,
		Files:   map[string][]byte{"/etc/nginx/nginx.conf": conf},
		StandIn: standInBalancer(c),
		Ports:   []int{PortBalancer, PortBalancerStat},
		Settings: map[string]string{
			"balance": orDefault(t.Balancer.Method, "round_robin"), "keepalive": strconv.Itoa(t.Balancer.Keepalive),
			"max_fails": strconv.Itoa(t.Balancer.MaxFails), "fail_timeout": t.Balancer.FailTimeout.String(),
			"retries": strconv.FormatBool(t.Balancer.Retries), "idempotent_timeout": t.Balancer.Idempotent.String(),
		},
		Ready: readyHTTP(PortBalancerStat, "/health"),
	}), nil
}

// standInBalancer is our own balancer with the same behaviour.
func standInBalancer(c nginx.Config) []string {
	args := []string{"balancer", "--listen=" + c.Listen, "--status=" + c.Status,
		"--method=" + orDefault(c.Method, "round_robin"), "--keepalive=" + strconv.Itoa(c.Keepalive),
		"--max-fails=" + strconv.Itoa(c.MaxFails), "--fail-timeout=" + c.FailTimeout.String(),
		"--retries=" + strconv.FormatBool(c.Retries)}
	for _, u := range c.Upstreams {
		args = append(args, "--upstream="+u)
	}
	return args
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// toGateway is where the balancers reach a replica: its own address, or the
// link's where one stands between them.
func (t Topology) toGateway(l lab.Layout, name string) string {
	if _, ok := t.Links[RoleGateway]; ok {
		return l.DialAddr(RoleLink, LinkPortOf(name, PortProxy))
	}
	return l.DialAddr(name, PortProxy)
}
