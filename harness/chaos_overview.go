package main

import (
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/experiment"
	"github.com/gatelab/gatelab/harness/internal/result"
)

func (p *Program) overviewCommand() *cobra.Command {
	var reports string
	o := &observers{program: p}
	c := &cobra.Command{
		Use:     "overview RUN...",
		Short:   "Summarize finished experiments in one table and report",
		Example: `  harness chaos overview reports/runs/*-kill-gateway reports/runs/*-kill-redis`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var runs []*result.Result
			for _, dir := range args {
				r, err := readRun(dir)
				if err != nil {
					return err
				}
				runs = append(runs, r)
			}
			return o.writeOverview(cmd, reports, runs)
		},
	}
	reportsFlag(c.Flags(), &reports)
	o.output.add(c)
	return c
}

// writeOverview writes a report of several experiments and prints its table.
func (o *observers) writeOverview(cmd *cobra.Command, reports string, runs []*result.Result) error {
	out, err := experiment.Overview(reports, runs)
	return o.finish(cmd, out, err, nil)
}
