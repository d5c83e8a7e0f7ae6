package main

import (
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/standin"
)

func (p *Program) balancerCommand() *cobra.Command {
	config := standin.BalancerConfig{Listen: "127.0.0.1:8000"}
	c := &cobra.Command{
		Use:     "balancer",
		Short:   "Replace nginx on a machine without it (a node of a lab)",
		Example: `  harness balancer --upstream 127.0.0.1:8201 --upstream 127.0.0.1:8202 --method least_conn`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return standin.Balancer(cmd.Context(), config) },
	}
	f := c.Flags()
	listenFlag(f, &config.Listen)
	f.StringVar(&config.Status, "status", "127.0.0.1:8100", "`host:port` of /health and /status")
	f.StringSliceVar(&config.Upstreams, "upstream", nil, "`host:port` of a gateway; may be repeated")
	f.StringVar(&config.Method, "method", "round_robin", "round_robin or least_conn")
	f.IntVar(&config.Keepalive, "keepalive", 64, "`number` of idle connections kept to all upstreams; 0: none")
	f.IntVar(&config.MaxFails, "max-fails", 1, "`number` of failures within fail-timeout after which an upstream is ejected; 0: never")
	f.DurationVar(&config.FailTimeout, "fail-timeout", 0,
		"period in which failures count, and time that an upstream stays ejected (default 10s)")
	f.BoolVar(&config.Retries, "retries", false, "retry idempotent requests on another upstream")
	return c
}
