package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/serve"
)

func serveCommand() *cobra.Command {
	var c serve.Config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "show all runs in a browser: reports, two side by side, one as it goes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Ready = func(address string) {
				fmt.Fprintf(cmd.OutOrStdout(), "http://%s (Ctrl-C ends it)\n", address)
				if host, _, err := net.SplitHostPort(address); err == nil && !net.ParseIP(host).IsLoopback() {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning: everybody who reaches this address can read the reports")
				}
			}
			// A Ctrl-C is how this ends: no failure.
			return serve.Run(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Listen, "listen", "127.0.0.1:8090", "address to listen on")
	f.StringSliceVar(&c.Hosts, "hosts", nil, "further names by which browsers reach the address; a Host that is neither one of them nor loopback nor the address is refused")
	f.StringVar(&c.Reports, "reports", "reports", "folder of the reports")
	return cmd
}
