package main

import (
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/monitor"
)

func (p *Program) monitorCommand() *cobra.Command {
	config := monitor.Config{Listen: "127.0.0.1:8091", Prometheus: "http://127.0.0.1:9090", Alertmanager: "http://127.0.0.1:9093"}
	c := &cobra.Command{
		Use:     "monitor",
		Short:   "Show the targets and alerts of a Prometheus and its Alertmanager (a node of a stack)",
		Example: `  harness monitor --listen 127.0.0.1:8091 --prometheus http://127.0.0.1:9090`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return monitor.Serve(cmd.Context(), config) },
	}
	f := c.Flags()
	listenFlag(f, &config.Listen)
	hostsFlag(f, &config.Hosts)
	f.StringVar(&config.Prometheus, "prometheus", config.Prometheus, "`URL` of the Prometheus")
	f.StringVar(&config.Alertmanager, "alertmanager", config.Alertmanager, "`URL` of the Alertmanager")
	return c
}
