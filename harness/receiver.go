package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/alerting"
)

func (p *Program) receiverCommand() *cobra.Command {
	listen := "127.0.0.1:9465"
	var hosts []string
	c := &cobra.Command{
		Use:     "receiver",
		Short:   "Print the alerts that an Alertmanager posts to /alerts (a node of a stack)",
		Example: `  harness receiver --listen 127.0.0.1:9465`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := alerting.Listen(listen, func(n alerting.Notification) {
				state := "resolved"
				if n.Firing {
					state = "FIRING"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %-8s %s %v\n", n.At.UTC().Format(time.RFC3339), state, n.Alert, n.Labels)
			}, hosts...)
			if err != nil {
				return err
			}
			defer r.Close()
			fmt.Fprintf(cmd.OutOrStdout(), "listening: %s\n", r.URL())
			<-cmd.Context().Done()
			return nil
		},
	}
	listenFlag(c.Flags(), &listen)
	hostsFlag(c.Flags(), &hosts)
	return c
}
