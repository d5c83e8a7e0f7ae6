package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stack"
)

func (p *Program) upCommand() *cobra.Command {
	var o stack.Options
	c := &cobra.Command{
		Use:   "up SCENARIO.yaml",
		Short: "Start the lab of one stage on fixed ports, and leave it running",
		Example: `  harness up scenarios/ladder.yaml
  harness up scenarios/ladder.yaml --stage cache --runtime host`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File, o.Observer = args[0], session.NewConsole(cmd.OutOrStdout())
			if err := p.findPrograms(&o.Config, true); err != nil {
				return err
			}
			up, err := stack.Up(cmd.Context(), o)
			if err != nil {
				return err
			}
			printStack(cmd.OutOrStdout(), up)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Stage, "stage", "multi", "`name` of the stage whose lab to start")
	labFlags(f, &o.Config, "full")
	gatewayFlag(f, &o.Gateway)
	return c
}

// printStack prints where a stack can be reached, and what to try first.
func printStack(w io.Writer, up *stack.Stack) {
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
	printMonitoring(w, up)
	fmt.Fprint(w, `Break a replica:
  bin/harness fault inject gateway-2 kill --for 60s   # an alert fires after half a minute
Remove everything:
  make down
`)
}

// printMonitoring prints what to open to watch the stack.
func printMonitoring(w io.Writer, up *stack.Stack) {
	if up.Prometheus == "" {
		return
	}
	fmt.Fprintf(w, "Watch its targets and alerts:\n  %s\n", up.Monitor)
	if up.Grafana != "" {
		fmt.Fprintf(w, "  %s\n", up.Grafana)
		return
	}
	fmt.Fprintf(w, "  make dashboards GRAFANA_URL=… PROMETHEUS_URL=%s   # into a Grafana that you have, with GRAFANA_TOKEN\n", up.Prometheus)
}
