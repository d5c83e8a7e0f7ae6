package main

import (
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"gatelab/harness/internal/link"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/origin"
	"gatelab/harness/internal/standin"
)

// The nodes of a lab that are our own programs.

const hostsFlag = "further names by which clients reach the API; a Host that is neither one of them nor loopback nor its address is refused"

func originCommand() *cobra.Command {
	var c origin.Config
	var null string
	cmd := &cobra.Command{
		Use:   "origin",
		Short: "serve the simulated upstream API (a node of the lab)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.Validate(); err != nil {
				return err
			}
			group, ctx := errgroup.WithContext(cmd.Context())
			group.Go(func() error { return origin.New(c).Serve(ctx, c.Listen) })
			if null != "" {
				group.Go(func() error { return load.ServeNull(ctx, null) })
			}
			return group.Wait()
		},
	}
	c.Flags(cmd.Flags())
	cmd.Flags().StringVar(&null, "null", "", "host:port of a server that does nothing, for the generator's ceiling; empty: none")
	return cmd
}

func linkCommand() *cobra.Command {
	c := link.Config{Admin: "127.0.0.1:8474"}
	var proxies []string
	cmd := &cobra.Command{
		Use:   "link",
		Short: "delay what passes between two nodes (a node of the lab)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, text := range proxies {
				p, err := link.ParseProxy(text)
				if err != nil {
					return err
				}
				c.Proxies = append(c.Proxies, p)
			}
			return link.Run(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&c.Admin, "admin", c.Admin, "host:port of the HTTP admin API")
	cmd.Flags().StringSliceVar(&c.Hosts, "hosts", nil, hostsFlag)
	cmd.Flags().StringArrayVar(&proxies, "proxy", nil, "name=listen,upstream[,latency[,jitter]]; may be repeated")
	return cmd
}

func workerCommand() *cobra.Command {
	c := load.WorkerConfig{Listen: "127.0.0.1:7000"}
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "send load when asked (a node of the lab)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return load.Serve(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&c.Listen, "listen", c.Listen, "host:port of the worker's API")
	cmd.Flags().StringSliceVar(&c.Hosts, "hosts", nil, hostsFlag)
	cmd.Flags().StringVar(&c.Null, "null", "", "host:port of a server that does nothing; empty: none")
	cmd.Flags().StringSliceVar(&c.AllowedTargets, "allow-target", nil, "hosts that may be attacked beside loopback")
	return cmd
}

func redisCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "redis",
		Short: "stand in for Redis where it cannot be had (a node of the lab)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return standin.Redis(cmd.Context(), listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:6379", "host:port")
	return cmd
}

func balancerCommand() *cobra.Command {
	var c standin.BalancerConfig
	cmd := &cobra.Command{
		Use:   "balancer",
		Short: "stand in for nginx where it cannot be had (a node of the lab)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return standin.Balancer(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Listen, "listen", "127.0.0.1:8000", "host:port")
	f.StringVar(&c.Status, "status", "127.0.0.1:8100", "host:port of /health and /status")
	f.StringSliceVar(&c.Upstreams, "upstream", nil, "host:port of a gateway; may be repeated")
	f.StringVar(&c.Method, "method", "round_robin", "round_robin or least_conn")
	f.IntVar(&c.Keepalive, "keepalive", 64, "idle connections kept to all upstreams; 0 none")
	f.IntVar(&c.MaxFails, "max-fails", 1, "failures within fail-timeout that take an upstream out; 0 never")
	f.DurationVar(&c.FailTimeout, "fail-timeout", 0, "also how long it stays out; 0 is 10s")
	f.BoolVar(&c.Retries, "retries", false, "try another upstream for idempotent requests")
	return cmd
}
