package sut

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/policy"
	"gatelab/harness/internal/topology"
)

const gatelabName = "gatelab"

// gatelab is our own gateway: one replica, with its Postgres and Redis.
func gatelab() *System {
	return &System{
		Name: gatelabName, About: "this repository's gateway, configured over its Admin API", Tested: true,
		Needs: []string{topology.RolePostgres, topology.RoleRedis},
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{})
		},
		Spec:      gatelabSpec,
		Configure: configureGatelab,
	}
}

func gatelabSpec(a *Arm) (lab.Spec, error) {
	l, name := a.Layout, a.System.Name
	env := map[string]string{
		"GATEWAY_NODE_NAME":       name,
		"GATEWAY_PROXY_LISTEN":    l.ListenAddr(name, topology.PortProxy),
		"GATEWAY_ADMIN_LISTEN":    l.ListenAddr(name, topology.PortAdmin),
		"GATEWAY_STATUS_LISTEN":   l.ListenAddr(name, topology.PortStatus),
		"GATEWAY_PG_DSN":          DSN(l.DialAddr(topology.RolePostgres, topology.PortPostgres), lab.PostgresDatabase),
		"GATEWAY_MAX_PROCS":       strconv.Itoa(a.Threads()),
		"GATEWAY_ACCESS_LOG":      "off",
		"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
	}
	if a.Policy.AccessLog {
		env["GATEWAY_ACCESS_LOG"] = "all"
	}
	return lab.Spec{
		Env: env, Ports: []int{topology.PortProxy, topology.PortAdmin, topology.PortStatus},
		Settings: map[string]string{"max_procs": strconv.Itoa(a.Threads())}, Grace: 10 * time.Second,
		Ready: func(ctx context.Context, n lab.Node) error {
			_, err := ServedRevision(ctx, http.DefaultClient, n)
			return err
		},
	}, nil
}

// configureGatelab writes the policy over the Admin API, and waits until it is served.
func configureGatelab(ctx context.Context, l *lab.Lab, a *Arm) error {
	node, ok := l.Node(a.System.Name)
	if !ok {
		return fmt.Errorf("the lab has no %s", a.System.Name)
	}
	host, port, err := net.SplitHostPort(l.Addr(topology.RoleRedis, topology.PortRedis))
	if err != nil {
		return fmt.Errorf("configure %s: %w", a.System.Name, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("configure %s: %w", a.System.Name, err)
	}
	if err := Apply(ctx, Admin(node), kongEntities(a.Policy, a.Origin, [2]any{host, number})); err != nil {
		return err
	}
	return Agree(ctx, []lab.Node{node})
}

// Reset empties what arms keep outside their own nodes: Postgres and Redis, where the lab has them. No arm may run.
func Reset(ctx context.Context, l *lab.Lab) error {
	if n, ok := l.Node(topology.RolePostgres); ok {
		if err := resetDatabase(ctx, n); err != nil {
			return err
		}
	}
	if n, ok := l.Node(topology.RoleRedis); ok {
		return resetRedis(ctx, n)
	}
	return nil
}
