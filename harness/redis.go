package main

import (
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/standin"
)

func (p *Program) redisCommand() *cobra.Command {
	listen := "127.0.0.1:6379"
	c := &cobra.Command{
		Use:     "redis",
		Short:   "Replace Redis on a machine without it (a node of a lab)",
		Example: `  harness redis --listen 127.0.0.1:6379`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return standin.Redis(cmd.Context(), listen) },
	}
	listenFlag(c.Flags(), &listen)
	return c
}
