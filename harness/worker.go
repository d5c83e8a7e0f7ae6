package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/harness/internal/load/engine"
)

func (p *Program) workerCommand() *cobra.Command {
	config := engine.WorkerConfig{Listen: "127.0.0.1:7000"}
	c := &cobra.Command{
		Use:     "worker",
		Short:   "Send load on request (a node of a lab)",
		Example: `  harness worker --listen 127.0.0.1:7000 --null 127.0.0.1:7001`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return engine.Serve(cmd.Context(), config) },
	}
	f := c.Flags()
	listenFlag(f, &config.Listen)
	hostsFlag(f, &config.Hosts)
	nullFlag(f, &config.Null)
	f.StringSliceVar(&config.AllowedTargets, "allow-target", nil, "`hosts` that may be attacked in addition to loopback")
	return c
}

// nullFlag is the address of a server that does nothing, which shows the generator's own limit.
func nullFlag(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "null", "", "`host:port` of a null server, to measure the ceiling of the load generator (default none)")
}
