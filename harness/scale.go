package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/scale"
	"github.com/gatelab/gatelab/internal/suggest"
)

func (p *Program) scaleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "scale",
		Short: "Measure what one Redis and one Postgres carry of many replicas",
		Example: `  harness scale redis
  harness scale postgres --watchers 1,10,100,1000`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return suggest.Unknown("command", args[0], []string{"redis", "postgres"})
		},
	}
	c.AddCommand(withExits(p.scaleRedisCommand(), exitInvalid), withExits(p.scalePostgresCommand(), exitInvalid))
	return c
}

func (p *Program) scaleRedisCommand() *cobra.Command {
	var o scale.RedisOptions
	c := &cobra.Command{
		Use:   "redis [SCENARIO.yaml]",
		Short: "Measure how many of the gateways' commands one Redis executes",
		Long: `Measure how many of the gateways' commands one Redis executes.

Each stage of the scenario (default scenarios/scale.yaml) is one way in which
gateways use Redis. The commands that they send under load are recorded, and
then sent to the same Redis again as fast as it answers. The report has the
commands per request, and the requests per second that one Redis carries.`,
		Example: `  harness scale redis
  harness scale redis --depths 1,16 --window 10s`,
		Args: cobra.MaximumNArgs(1),
	}
	f := c.Flags()
	f.DurationVar(&o.Window, "window", 5*time.Second, "length of one replay")
	f.IntSliceVar(&o.Depths, "depths", []int{1, 16}, "`numbers` of commands that a connection sends together")
	f.IntVar(&o.Connections, "connections", 32, "`number` of connections of a replay")
	gatewayFlag(f, &o.Gateway)
	observers := p.sessionFlags(c, &o.Config, "")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		o.File = "scenarios/scale.yaml"
		if len(args) > 0 {
			o.File = args[0]
		}
		closed, err := observers.open(cmd, &o.Config)
		if err != nil {
			return err
		}
		defer closed()
		out, err := scale.Redis(cmd.Context(), o)
		return observers.finish(cmd, out, err, nil)
	}
	return c
}

func (p *Program) scalePostgresCommand() *cobra.Command {
	var o scale.PostgresOptions
	c := &cobra.Command{
		Use:   "postgres",
		Short: "Measure how changes reach many clients that LISTEN",
		Long: `Measure how changes of the configuration reach many clients that LISTEN, as
every replica of the gateway does: the time from COMMIT to the last client's
notification, and the CPU time of Postgres for each change. It is measured with
clients that are only told of the change, and with clients that then read it.`,
		Example: `  harness scale postgres
  harness scale postgres --watchers 1,10,100,1000 --changes 50`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	f.IntSliceVar(&o.Watchers, "watchers", []int{1, 10, 100, 1000}, "`numbers` of clients that LISTEN")
	f.IntVar(&o.Changes, "changes", 50, "`number` of changes that are measured with each number of clients")
	observers := p.sessionFlags(c, &o.Config, "")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		closed, err := observers.open(cmd, &o.Config)
		if err != nil {
			return err
		}
		defer closed()
		out, err := scale.Postgres(cmd.Context(), o)
		return observers.finish(cmd, out, err, nil)
	}
	return c
}
