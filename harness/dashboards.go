package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/grafana"
)

func (p *Program) dashboardsCommand() *cobra.Command {
	var o grafana.Options
	c := &cobra.Command{
		Use:   "dashboards",
		Short: "Import the dashboards, their folder and their data source into a Grafana",
		Long: `Import the dashboards, their folder and their data source into a Grafana. The
command can be repeated: equal objects are left unchanged, and objects that were
changed in Grafana are overwritten only with --overwrite.`,
		Example: `  GRAFANA_URL=http://127.0.0.1:3000 GRAFANA_TOKEN=... harness dashboards
  harness dashboards --prometheus-url http://prometheus:9090 --overwrite`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.grafanaToken(&o.Config)
			changes, err := grafana.Import(cmd.Context(), o)
			for _, c := range changes {
				fmt.Fprintf(cmd.OutOrStdout(), "%-10s %-12s %s\n", c.Done, c.Kind, c.Name)
			}
			return err
		},
	}
	f := c.Flags()
	p.grafanaFlags(f, &o.Config)
	prometheus := cmp.Or(p.Getenv("PROMETHEUS_URL"), "http://127.0.0.1:9090")
	f.StringVar(&o.PrometheusURL, "prometheus-url", prometheus, "`URL` of Prometheus as seen from Grafana (default $PROMETHEUS_URL)")
	f.BoolVar(&o.Overwrite, "overwrite", false, "also overwrite what was changed in Grafana")
	return c
}
