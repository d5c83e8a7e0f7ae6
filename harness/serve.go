package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/report"
	"github.com/gatelab/gatelab/harness/internal/serve"
)

func (p *Program) serveCommand() *cobra.Command {
	config := serve.Config{Listen: "127.0.0.1:8090"}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Show reports, comparisons and running measurements in a browser",
		Example: `  harness serve
  harness serve --listen 127.0.0.1:9000 --reports reports/published`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config.Ready = func(address string) {
				fmt.Fprintf(cmd.OutOrStdout(), "http://%s (Ctrl-C ends it)\n", address)
				if host, _, err := net.SplitHostPort(address); err == nil && !net.ParseIP(host).IsLoopback() {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning: everyone who can reach this address can read the reports")
				}
			}
			config.Report, config.Style = report.HTML, report.Style()
			// Ctrl-C is how this ends: not a failure.
			return serve.Run(cmd.Context(), config)
		},
	}
	listenFlag(c.Flags(), &config.Listen)
	hostsFlag(c.Flags(), &config.Hosts)
	reportsFlag(c.Flags(), &config.Reports)
	return c
}
