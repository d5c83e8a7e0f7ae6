package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/capacity"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

func (p *Program) capacityCommand() *cobra.Command {
	var o capacity.Options
	var asked string
	c := &cobra.Command{
		Use:   "capacity SCENARIO.yaml",
		Short: "Find the highest rate within an SLO, and how it scales with replicas",
		Long: `Find the highest rate within an SLO.

By default, one stage is searched with several numbers of replicas, and the
scalability law is fitted to the results. With --stage all, every stage is
searched with its own number of replicas.`,
		Example: `  harness capacity scenarios/ladder.yaml --stage multi --slo 'p99<50ms,errors<0.1%'
  harness capacity scenarios/ladder.yaml --stage all
  harness capacity scenarios/ladder.yaml --replicas 1,2,3,4 --profile scaling`,
		Args: cobra.ExactArgs(1),
	}
	f := c.Flags()
	f.StringVar(&o.Stage, "stage", "multi", "`name` of the stage to search, or all")
	f.StringVar(&asked, "slo", "p99<50ms,errors<0.1%", "`objectives` that a rate must meet (docs/slo.md)")
	f.IntSliceVar(&o.Replicas, "replicas", []int{1, 2, 3}, "`numbers` of replicas of one stage; the scalability law needs three or more")
	f.Float64Var(&o.Plan.From, "from", 200, "lowest `rate` of the search, in requests per second")
	f.Float64Var(&o.Plan.To, "to", 50_000, "highest `rate` of the search, in requests per second")
	f.Float64Var(&o.Plan.Precision, "precision", 0.08, "`share` of the rate: the search ends when its interval is this narrow")
	f.IntVar(&o.Plan.Confirms, "confirms", 3, "`number` of measurements that confirm the rate")
	f.DurationVar(&o.Window, "window", 4*time.Second, "duration of a measurement")
	f.IntVar(&o.Closed, "closed", 4, "`number` of closed-loop measurements for the scalability law; 0: no law")
	gatewayFlag(f, &o.Gateway)
	observers := p.sessionFlags(c, &o.Config, "")
	observers.output.addFailOn(c)
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.Plan.SLO, err = slo.Parse(asked); err != nil {
			return err
		}
		o.File = args[0]
		closed, err := observers.open(cmd, &o.Config)
		if err != nil {
			return err
		}
		defer closed()
		out, err := capacity.Run(cmd.Context(), o)
		return observers.finish(cmd, out, err, nil)
	}
	return c
}
