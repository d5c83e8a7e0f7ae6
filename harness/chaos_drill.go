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
		Short: "Trigger every alert with a real fault, and check that it fires and resolves",
		Long: `Trigger every alert with a real fault, with a real Prometheus and Alertmanager
next to the lab. The report shows how long each alert takes to fire and to
resolve, and which other alerts fired. The command needs both programs (make
deps).`,
		Example: `  harness chaos alert-drill
  harness chaos alert-drill --alert GatewayReplicaDown,RedisMemoryHigh`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	scenariosFlag(f, &dir)
	f.StringSliceVar(&o.Alerts, "alert", nil, "`names` of the alerts to test (default all)")
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
