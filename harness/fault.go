package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/outside"
	"github.com/gatelab/gatelab/harness/internal/stack"
	"github.com/gatelab/gatelab/internal/suggest"
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

// injection is what inject was asked for.
type injection struct {
	spec      fault.Spec
	plan      fault.Plan
	container string // a container of any origin, instead of a node
	proxy     string // a TCP address of this machine, instead of a node
	listen    string // of the proxy
	probe     string // what the TCP address responds to
	stay      bool   // keep the proxy until Ctrl-C
}

func (p *Program) faultInjectCommand() *cobra.Command {
	var i injection
	c := &cobra.Command{
		Use:   "inject [NODE] FAULT",
		Short: "Inject a fault into a node, a container or a TCP connection, and undo it",
		Long: `Inject a fault into a node of the lab that up started, and undo it after --for
or on Ctrl-C. If no effect is observed, the command fails.

With --container, the target is any container of the Docker engine on this
machine. It can be killed, stopped, restarted, paused, disconnected from its
networks, or limited in CPU or memory. Its previous state is restored.

With --proxy, the target is any TCP address of this machine. The command listens
on --listen, forwards to the address, and delays, throttles, resets or silences
the connections. Clients must connect to --listen during the fault.`,
		Example: `  harness fault inject gateway-2 kill --for 30s
  harness fault inject redis latency --latency 200ms
  harness fault inject --container my-redis pause --for 5s
  harness fault inject --proxy 127.0.0.1:5432 --listen 127.0.0.1:15432 latency --after 10s`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			i.spec.Kind = args[len(args)-1]
			began := time.Now()
			i.plan.OnStep = func(step string, e fault.Event) {
				fmt.Fprintf(cmd.OutOrStdout(), "%6.2fs  %s %s: %s\n", time.Since(began).Seconds(), e.Kind, e.Target, step)
			}
			return i.run(cmd, args[:len(args)-1])
		},
	}
	f := c.Flags()
	f.DurationVar(&i.plan.RecoverAfter, "for", 10*time.Second, "time until the fault is undone")
	f.DurationVar(&i.plan.At, "after", 0, "time until the fault is injected")
	f.StringVar(&i.container, "container", "", "`name` or ID of a container that the lab did not start")
	f.StringVar(&i.proxy, "proxy", "", "`host:port` of this machine to disturb connections to")
	f.StringVar(&i.listen, "listen", "127.0.0.1:0", "`host:port` on loopback for the proxy (port 0: any free port)")
	f.StringVar(&i.probe, "probe", "", "`text` to which the address of --proxy responds (default detected)")
	f.BoolVar(&i.stay, "stay", false, "keep the proxy until Ctrl-C when the fault is undone")
	f.DurationVar(&i.spec.Latency, "latency", 0,
		"delay of latency, jitter, slow-close and origin-slow (default 1s; jitter 200ms, origin-slow 2s)")
	f.Float64Var(&i.spec.Rate, "rate", 0, "`KiB` per second of bandwidth, changes per second of churn (default 1; churn 10)")
	f.Float64Var(&i.spec.Share, "share", 0, "`share` of the requests that the origin's faults affect (default all)")
	f.Float64Var(&i.spec.CPUs, "cpus", 0, "`number` of cores that cpu leaves (default 0.05)")
	c.MarkFlagsMutuallyExclusive("container", "proxy")
	return c
}

// run injects the fault into what was named.
func (i *injection) run(cmd *cobra.Command, node []string) error {
	foreign := i.container != "" || i.proxy != ""
	switch {
	case foreign && len(node) > 0:
		return fmt.Errorf("node %q is not allowed beside --container and --proxy: want FAULT alone", node[0])
	case !foreign && len(node) == 0:
		return errors.New("what to break is missing: want NODE FAULT, or --container NAME or --proxy HOST:PORT with FAULT")
	case i.proxy != "":
		return i.runProxy(cmd)
	case i.container != "":
		i.spec.Target = i.container
		return i.inject(cmd.Context(), func(ctx context.Context) (fault.Fault, error) { return outside.NewContainerFault(ctx, i.spec) })
	}
	nodes, err := stack.Attach(cmd.Context())
	if errors.Is(err, stack.ErrNotUp) {
		return fmt.Errorf("%w: `make up` starts one; --container and --proxy break what is not of the lab", err)
	}
	if err != nil {
		return err
	}
	i.spec.Target = node[0]
	return i.inject(cmd.Context(), func(context.Context) (fault.Fault, error) { return fault.Make(i.spec, fault.NewNodes(nodes)) })
}

func (i *injection) inject(ctx context.Context, newFault func(context.Context) (fault.Fault, error)) error {
	f, err := newFault(ctx)
	if err == nil {
		_, err = fault.Run(ctx, f, i.plan)
	}
	return err
}

// runProxy breaks the connections to an address through a proxy that lasts as long as the command.
func (i *injection) runProxy(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	proxy, err := outside.NewProxy(ctx, i.listen, i.proxy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, proxy.Close()) }()
	fmt.Fprintf(cmd.OutOrStdout(), "%s forwards to %s: connect clients to it\n", proxy.Listen, i.proxy)
	err = i.inject(ctx, func(ctx context.Context) (fault.Fault, error) { return proxy.Fault(ctx, i.spec, i.probe) })
	if err == nil && i.stay {
		fmt.Fprintln(cmd.OutOrStdout(), "the proxy stays until Ctrl-C")
		<-ctx.Done()
	}
	return err
}
