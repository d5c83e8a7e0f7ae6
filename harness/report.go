package main

import (
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/report"
)

func (p *Program) reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "report RUN",
		Short:   "Write the report of a run again, from its result.json",
		Example: `  harness report reports/latest`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := readRun(args[0])
			if err != nil {
				return err
			}
			if err := report.Write(args[0], r); err != nil {
				return err
			}
			return report.Table(cmd.OutOrStdout(), r, tableOptions(cmd.OutOrStdout()))
		},
	}
}
