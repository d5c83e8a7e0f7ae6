package main

import (
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/ladder"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

func (p *Program) runCommand() *cobra.Command {
	var o ladder.Options
	c := &cobra.Command{
		Use:   "run SCENARIO.yaml",
		Short: "Run the stages of a scenario and write a report",
		Long: `Run the stages of a scenario and write a report.

A lab is started, each stage is set up, warmed up, attacked and judged, and the
lab is removed, also after a failure or Ctrl-C.`,
		Example: `  harness run scenarios/ladder.yaml
  harness run scenarios/ladder.yaml --stage cache,multi --profile smoke
  harness run mine.yaml --slo 'p99<250ms,errors<1%' --fail-on slo --output json > result.json
  harness run scenarios/ladder.yaml --runtime host --metrics-listen 127.0.0.1:9464`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringSliceVar(&o.Stages, "stage", []string{scenario.All}, "`names` of the stages to measure, or all")
	gatewayFlag(c.Flags(), &o.Gateway)
	observers := p.sessionFlags(c, &o.Config, "full")
	observers.output.addObjectives(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		o.File = args[0]
		closed, err := observers.open(cmd, &o.Config)
		if err != nil {
			return err
		}
		defer closed()
		out, err := ladder.Run(cmd.Context(), o)
		return observers.finish(cmd, out, err, nil)
	}
	return c
}
