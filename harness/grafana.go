package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/grafana"
)

// grafanaFlags are shared by the commands that talk to a Grafana. The token's
// place is the environment: a flag can be read by everybody on the machine.
func grafanaFlags(cmd *cobra.Command, c *grafana.Config) {
	f := cmd.Flags()
	f.StringVar(&c.URL, "grafana-url", os.Getenv("GRAFANA_URL"), "Grafana's URL; by default $GRAFANA_URL")
	f.StringVar(&c.Token, "grafana-token", "", "a service account's token; better in $GRAFANA_TOKEN, where others do not see it")
	f.DurationVar(&c.Timeout, "grafana-timeout", 0, "how long one request to Grafana may take; 0 is 10s")
}

// tokenFromEnv fills in the token where no flag gave one. It is no flag's
// default, because help prints defaults.
func tokenFromEnv(c *grafana.Config) {
	if c.Token == "" {
		c.Token = os.Getenv("GRAFANA_TOKEN")
	}
}

func dashboardsCommand() *cobra.Command {
	var o grafana.Options
	c := &cobra.Command{
		Use:   "dashboards",
		Short: "import the dashboards, their folder and data source into a Grafana",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tokenFromEnv(&o.Config)
			changes, err := grafana.Import(cmd.Context(), o)
			for _, c := range changes {
				fmt.Fprintf(cmd.OutOrStdout(), "%-10s %-12s %s\n", c.Done, c.Kind, c.Name)
			}
			return err
		},
	}
	grafanaFlags(c, &o.Config)
	prometheus := os.Getenv("PROMETHEUS_URL")
	if prometheus == "" {
		prometheus = "http://127.0.0.1:9090"
	}
	c.Flags().StringVar(&o.PrometheusURL, "prometheus-url", prometheus, "Prometheus as Grafana reaches it; by default $PROMETHEUS_URL")
	c.Flags().BoolVar(&o.Overwrite, "overwrite", false, "overwrite also what somebody changed in Grafana")
	return c
}
