package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/doctor"
)

func (p *Program) doctorCommand() *cobra.Command {
	var o doctor.Options
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check and measure this machine, and say what can be concluded here",
		Long: `Check which programs this machine has and which are missing, measure how fast
and how steady it is, compare the load generator with wrk, and report which
conclusions measurements on this machine allow. The measurement takes about a
minute, or one and a half with wrk. --quick skips it.`,
		Example: `  harness doctor
  harness doctor --quick`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Harness, err = p.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			return doctor.Run(cmd.Context(), cmd.OutOrStdout(), o)
		},
	}
	c.Flags().BoolVar(&o.Quick, "quick", false, "only check, and measure nothing")
	return c
}
