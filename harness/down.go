package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/stack"
)

func (p *Program) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "down",
		Short:   "Remove the lab that up started",
		Example: `  harness down`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			removed, err := stack.Down(cmd.Context())
			if err != nil {
				return err
			}
			if len(removed) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing was running")
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", strings.Join(removed, ", "))
			return nil
		},
	}
}
