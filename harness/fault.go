package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/stack"
	"gatelab/internal/suggest"
)

func (p *Program) faultCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "fault",
		Short: "Inject a fault into a node of the lab that up started, and undo it",
		Example: `  harness fault list
  harness fault inject gateway-2 pause --for 10s`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return suggest.Unknown("command", args[0], []string{"list", "inject"})
		},
	}
	c.AddCommand(p.faultListCommand(), withExits(p.faultInjectCommand(), exitFailed))
	return c
}

func (p *Program) faultListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the kinds of fault, and the nodes of the running lab with their state",
		Example: `  harness fault list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "faults: %s\n", strings.Join(fault.Kinds(), ", "))
			nodes, err := stack.Attach(cmd.Context())
			if errors.Is(err, stack.ErrNotUp) {
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

func (p *Program) faultInjectCommand() *cobra.Command {
	var last time.Duration
	s := fault.Spec{}
	c := &cobra.Command{
		Use:   "inject NODE FAULT",
		Short: "Inject a fault into a node, and undo it after a while or on Ctrl-C",
		Example: `  harness fault inject gateway-2 kill --for 30s
  harness fault inject redis latency --latency 200ms`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Target, s.Kind = args[0], args[1]
			nodes, err := stack.Attach(cmd.Context())
			if errors.Is(err, stack.ErrNotUp) {
				return fmt.Errorf("%w: `make up` starts one", err)
			}
			if err != nil {
				return err
			}
			f, err := fault.Make(s, fault.NewNodes(nodes))
			if err != nil {
				return err
			}
			began := time.Now()
			_, err = fault.Run(cmd.Context(), f, fault.Plan{RecoverAfter: last, OnStep: func(step string, e fault.Event) {
				fmt.Fprintf(cmd.OutOrStdout(), "%6.2fs  %s %s: %s\n", time.Since(began).Seconds(), e.Kind, e.Target, step)
			}})
			return err
		},
	}
	f := c.Flags()
	f.DurationVar(&last, "for", 10*time.Second, "time until the fault is undone")
	f.DurationVar(&s.Latency, "latency", 0, "delay of latency, jitter, slow-close and origin-slow (default the fault's own)")
	f.Float64Var(&s.Rate, "rate", 0, "`KiB` per second of bandwidth, changes per second of churn (default the fault's own)")
	f.Float64Var(&s.Share, "share", 0, "`share` of the requests that the origin's faults affect (default all)")
	f.Float64Var(&s.CPUs, "cpus", 0, "`number` of cores that cpu leaves (default the fault's own)")
	return c
}
