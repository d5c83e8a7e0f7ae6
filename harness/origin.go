package main

import (
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/harness/internal/load/engine"
	"github.com/gatelab/gatelab/harness/internal/origin"
)

func (p *Program) originCommand() *cobra.Command {
	var config origin.Config
	var null string
	c := &cobra.Command{
		Use:     "origin",
		Short:   "Serve the simulated upstream API (a node of a lab)",
		Example: `  harness origin --listen 127.0.0.1:9000 --models 500 --median 20ms --p99 80ms`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Validate(); err != nil {
				return err
			}
			group, ctx := errgroup.WithContext(cmd.Context())
			group.Go(func() error { return origin.New(config).Serve(ctx, config.Listen) })
			if null != "" {
				group.Go(func() error { return engine.ServeNull(ctx, null) })
			}
			return group.Wait()
		},
	}
	config.Flags(c.Flags())
	nullFlag(c.Flags(), &null)
	return c
}
