package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/lab/docker"
	"gatelab/harness/internal/lab/host"
)

func faultCommand() *cobra.Command {
	c := &cobra.Command{Use: "fault", Short: "break a node of the stack that `make up` started, and mend it again"}
	c.AddCommand(faultListCommand(), faultInjectCommand())
	return c
}

func faultListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "the nodes of the running stack with their state, and the kinds of fault",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "faults: %s\n", strings.Join(fault.Kinds(), ", "))
			nodes, err := attach(cmd.Context())
			if errors.Is(err, docker.ErrNotUp) {
				fmt.Fprintf(w, "nodes: none (%v; `make up` starts a stack)\n", err)
				return nil
			}
			if err != nil {
				return err
			}
			for _, n := range nodes {
				s, err := n.State(cmd.Context())
				if err != nil {
					return err
				}
				fmt.Fprintf(w, "  %-12s %s\n", n.Name(), fault.Describe(s))
			}
			return nil
		},
	}
}

func faultInjectCommand() *cobra.Command {
	var last time.Duration
	s := fault.Spec{}
	c := &cobra.Command{
		Use:   "inject NODE FAULT",
		Short: "break a node for a while; it is mended also on Ctrl-C",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Target, s.Kind = args[0], args[1]
			nodes, err := attach(cmd.Context())
			if errors.Is(err, docker.ErrNotUp) {
				return fmt.Errorf("%w: `make up` starts one", err)
			}
			if err != nil {
				return err
			}
			f, err := fault.Make(s, stack(nodes))
			if err != nil {
				return err
			}
			began := time.Now()
			_, err = fault.Run(cmd.Context(), f, fault.Plan{RecoverAfter: last, OnStep: func(step string, e fault.Event) {
				fmt.Fprintf(cmd.OutOrStdout(), "%6.2fs  %s %s: %s\n", time.Since(began).Seconds(), e.Kind, e.Target, step)
			}})
			if errors.Is(err, fault.ErrNoEffect) {
				return failed{err} // it ran, and showed nothing
			}
			return err
		},
	}
	f := c.Flags()
	f.DurationVar(&last, "for", 10*time.Second, "how long until it is mended")
	f.DurationVar(&s.Latency, "latency", 0, "of latency, jitter, slow-close and origin-slow; 0 is the fault's own")
	f.Float64Var(&s.Rate, "rate", 0, "KiB a second of bandwidth, changes a second of churn; 0 is the fault's own")
	f.Float64Var(&s.Share, "share", 0, "of requests, of the origin's faults; 0 is all")
	f.Float64Var(&s.CPUs, "cpus", 0, "cores that cpu leaves; 0 is the fault's own")
	return c
}

// attach finds the nodes of the stack that is up: processes, else containers.
// It is docker.ErrNotUp where there are neither.
func attach(ctx context.Context) ([]lab.Node, error) {
	nodes, err := host.Attach()
	if !errors.Is(err, host.ErrNotUp) {
		return nodes, err
	}
	nodes, err = docker.Attach(ctx, docker.Config{})
	if errors.Is(err, docker.ErrNoEngine) {
		err = docker.ErrNotUp // of containers
	}
	return nodes, err
}

// stack are the nodes of a lab that another process started, as faults see it.
type stack []lab.Node

var _ fault.Lab = stack{}

func (s stack) Node(name string) (lab.Node, bool) {
	for _, n := range s {
		if n.Name() == name {
			return n, true
		}
	}
	return nil, false
}

func (s stack) Nodes(role string) []lab.Node {
	var out []lab.Node
	for _, n := range s {
		if role == "" || n.Role() == role {
			out = append(out, n)
		}
	}
	return out
}

func (s stack) Ready(ctx context.Context, name string) error {
	n, ok := s.Node(name)
	if !ok {
		return fmt.Errorf("wait for %s: no such node", name)
	}
	return lab.WaitReady(ctx, n)
}

func (s stack) Settled(ctx context.Context, name string) error {
	return fault.Settled(ctx, s.Nodes(lab.RoleBalancer), name)
}

func (s stack) Renew(_ context.Context, name string) error {
	return fmt.Errorf("renew %s: only a run of its own (make chaos FAULT=rolling-upgrade) knows what its nodes are made of", name)
}
