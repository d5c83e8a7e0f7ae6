package sut

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/topology"
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
		Speaks:    bothProtocols(),
		Strict:    true,
		Sockets:   true,
		Balances:  true,
		Change:    changeGatelab,
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
	var args []string
	if a.Policy.Client.TLS() {
		env["GATEWAY_PROXY_SSL_LISTEN"] = env["GATEWAY_PROXY_LISTEN"]
		env["GATEWAY_PROXY_LISTEN"] = "127.0.0.1:0" // it always has one without TLS
		env["GATEWAY_SSL_PROTOCOLS"] = "TLSv1.3"
		args = []string{"--ssl-cert", certificateFile, "--ssl-cert-key", certificateFile}
	}
	return lab.Spec{
		Env: env, Args: args, Ports: []int{topology.PortProxy, topology.PortAdmin, topology.PortStatus},
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
	configured := a
	if changes(a.Policy) {
		configured = a.changed(0)
	}
	if err := Apply(ctx, Admin(node), configured.balanced(kongEntities(configured.Policy, a.Origin, [2]any{host, number}))); err != nil {
		return err
	}
	return Agree(ctx, []lab.Node{node})
}

// balanced puts an upstream with all origins in the place of one origin, where the policy has several.
func (a *Arm) balanced(entities map[string]any) map[string]any {
	if a.Policy.Origins == nil {
		return entities
	}
	var targets []any
	for _, origin := range a.upstreams() {
		targets = append(targets, map[string]any{"target": origin, "weight": 100})
	}
	entities["upstreams"] = []any{map[string]any{
		"name": "origins", "targets": targets,
		"healthchecks": map[string]any{"passive": map[string]any{"unhealthy": map[string]any{
			"tcp_failures": 1, "timeouts": 1, "http_failures": 1, "http_statuses": []int{503},
		}}},
	}}
	for _, s := range entities["services"].([]any) { //nolint:forcetypeassert // as kongEntities makes it
		service := s.(map[string]any) //nolint:forcetypeassert // likewise
		service["url"] = "http://origins"
		service["read_timeout"], service["connect_timeout"] = a.Policy.Origins.Timeout.Milliseconds(), a.Policy.Origins.Timeout.Milliseconds()
	}
	return entities
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
