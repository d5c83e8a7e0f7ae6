package main

import (
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/collector"
)

func (p *Program) collectorCommand() *cobra.Command {
	config := collector.Config{Listen: "127.0.0.1:4318", Traces: collector.DefaultTraces}
	c := &cobra.Command{
		Use:   "collector",
		Short: "Receive spans over OTLP and check the trees they make (a node of a lab)",
		Long: `Receive spans over OTLP and check the trees they make (a node of a lab).

POST /v1/traces takes spans as OTLP over HTTP has them (Protocol Buffers), and
GET /summary says how many traces are whole, and what is wrong with the others:
no root or several, a parent that was never received, a span outside of its
parent in time, a service without a name, or a response that no server's span
explains. GET /traces/ID shows the spans of one trace, POST /reset forgets all.`,
		Example: `  harness collector --listen 127.0.0.1:4318`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Validate(); err != nil {
				return err
			}
			return collector.Serve(cmd.Context(), config)
		},
	}
	f := c.Flags()
	listenFlag(f, &config.Listen)
	hostsFlag(f, &config.Hosts)
	f.IntVar(&config.Traces, "traces", config.Traces, "`number` of traces that are kept; spans of further ones are only counted")
	return c
}
