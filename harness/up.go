package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/runner"
)

func upCommand() *cobra.Command {
	o := runner.Options{Version: version}
	var stage string
	c := &cobra.Command{
		Use:   "up SCENARIO.yaml",
		Short: "start a stage's lab with fixed ports and leave it running, to use by hand",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File, o.Stages, o.Console = args[0], []string{stage}, runner.NewConsole(cmd.OutOrStdout())
			if err := binaries(&o); err != nil {
				return err
			}
			up, err := runner.Up(cmd.Context(), o)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintln(w)
			for _, a := range up.Addresses {
				fmt.Fprintf(w, "  %-22s %s\n", a.Name, a.URL)
			}
			fmt.Fprintf(w, `
Nothing is configured yet. Try:
  curl -i -X POST %[1]s/services --data name=ai-api --data url=%[3]s
  curl -i -X POST %[1]s/services/ai-api/routes --data 'paths[]=/ai' --data strip_path=true
  curl -i %[2]s/ai/v1/models/7
`, up.Admin, up.Proxy, up.Origin)
			watched(w, up)
			fmt.Fprintln(w, "Break a replica:\n  bin/harness fault inject gateway-2 kill --for 10s\nmake down removes it all.")
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&stage, "stage", "multi", "the stage whose lab to start")
	f.StringVar(&o.Profile, "profile", "full", "a profile of the scenario")
	f.StringVar(&o.Runtime, "runtime", "", "what carries the nodes: docker or host (processes); by default docker where an engine answers")
	f.StringVar(&o.Gateway, "gateway", "", "the gateway's binary; by default the one beside this program")
	return c
}

// watched says what to open to see how the stack does.
func watched(w io.Writer, up *runner.Stack) {
	if up.Prometheus == "" {
		return
	}
	fmt.Fprintf(w, "See how it does:\n  %[1]s/targets\n  %[1]s/alerts\n", up.Prometheus)
	if up.Grafana != "" {
		fmt.Fprintf(w, "  %s\n", up.Grafana)
		return
	}
	fmt.Fprintf(w, "  make dashboards GRAFANA_URL=… PROMETHEUS_URL=%s   # into a Grafana that you have, with GRAFANA_TOKEN\n", up.Prometheus)
}

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "remove what up started",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			gone, err := runner.Down(cmd.Context())
			if err != nil {
				return err
			}
			if len(gone) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing was running")
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", strings.Join(gone, ", "))
			return nil
		},
	}
}
