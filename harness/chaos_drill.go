package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/drill"
)

func (p *Program) drillCommand() *cobra.Command {
	var o drill.Options
	var dir string
	c := &cobra.Command{
		Use:   drill.Name,
		Short: "Cause every alert by a real fault: does it fire, does it resolve, does another one fire?",
		Long: `Cause every alert by a real fault, with a real Prometheus and Alertmanager
beside the lab, and report how long each alert takes to fire and to resolve, and
which others fired. It needs both programs (make deps).`,
		Example: `  harness chaos alert-drill
  harness chaos alert-drill --alert GatewayReplicaDown,RedisMemoryHigh`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	scenariosFlag(f, &dir)
	f.StringSliceVar(&o.Alerts, "alert", nil, "`names` of the alerts to try (default all of them)")
	gatewayFlag(f, &o.Gateway)
	observers := p.sessionFlags(c, &o.Config, "full")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		o.File = filepath.Join(dir, drill.File)
		closed, err := observers.open(cmd, &o.Config)
		if err != nil {
			return err
		}
		defer closed()
		out, err := drill.Run(cmd.Context(), o)
		return observers.finish(cmd, out, err, nil)
	}
	return c
}
