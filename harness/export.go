package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/export"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/internal/suggest"
)

// formatOpenMetrics is the one format of export.
const formatOpenMetrics = "openmetrics"

func (p *Program) exportCommand() *cobra.Command {
	var format, to string
	c := &cobra.Command{
		Use:   "export RUN",
		Short: "Write a run as OpenMetrics text, or to a Prometheus by remote write",
		Long: `Write a run as OpenMetrics text to standard output, or send it to a Prometheus
by remote write. The series are rates, latency and hit ratio for every second of
the attacks, and the figures of the stages. docs/output.md lists the metrics.`,
		Example: `  harness export reports/latest > run.om
  harness export reports/latest --remote-write http://127.0.0.1:9090/api/v1/write`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != formatOpenMetrics {
				return fmt.Errorf("format: %w", suggest.Unknown("format", format, []string{formatOpenMetrics}))
			}
			r, err := readRun(args[0])
			if err != nil {
				return err
			}
			if to != "" {
				return p.remoteWrite(cmd, to, r)
			}
			return export.OpenMetrics(cmd.OutOrStdout(), r)
		},
	}
	c.Flags().StringVar(&format, "format", formatOpenMetrics, "`format` on standard output")
	remoteWriteFlag(c, &to)
	complete(c, "format", formatOpenMetrics)
	return c
}

func remoteWriteFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "remote-write", "",
		"`URL` of a Prometheus to write the run to, such as http://127.0.0.1:9090/api/v1/write (token in $REMOTE_WRITE_TOKEN)")
}

// remoteConfig is where a URL says.
func (p *Program) remoteConfig(to string) export.RemoteConfig {
	return export.RemoteConfig{URL: to, Token: p.Getenv("REMOTE_WRITE_TOKEN"), UserAgent: "gatelab-harness/" + p.Version}
}

// remoteWrite sends a run to a Prometheus.
func (p *Program) remoteWrite(cmd *cobra.Command, to string, r *result.Result) error {
	return export.RemoteWrite(cmd.Context(), p.remoteConfig(to), r)
}
