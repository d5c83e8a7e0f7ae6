package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/drill"
)

func receiverCommand() *cobra.Command {
	listen := "127.0.0.1:9465"
	var hosts []string
	c := &cobra.Command{
		Use:   "receiver",
		Short: "print the alerts that an Alertmanager posts to /alerts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := drill.Listen(listen, func(n drill.Notice) {
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
	c.Flags().StringVar(&listen, "listen", listen, "host:port to listen on")
	c.Flags().StringSliceVar(&hosts, "hosts", nil, hostsFlag)
	return c
}
