package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/capacity"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/runner"
)

func capacityCommand() *cobra.Command {
	o := runner.CapacityOptions{Options: runner.Options{Version: version}}
	var slo, stage string
	c := &cobra.Command{
		Use:   "capacity SCENARIO.yaml",
		Short: "find the highest rate within an SLO, and what more replicas would make of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Plan.SLO, err = capacity.ParseSLO(slo); err != nil {
				return err
			}
			o.File, o.Stages, o.Command = args[0], []string{stage}, append([]string{"harness"}, os.Args[1:]...)
			o.Console = runner.NewConsole(os.Stdout)
			if err := binaries(&o.Options); err != nil {
				return err
			}
			out, err := runner.Capacity(cmd.Context(), o)
			if out == nil {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintln(w)
			if terr := report.CapacityText(w, out.Result); terr != nil {
				return terr
			}
			fmt.Fprintf(w, "report: %s\n", filepath.Join(out.Dir, report.FileHTML))
			if errors.Is(err, runner.ErrInvalid) {
				return failed{err}
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&stage, "stage", "multi", "the stage whose lab to attack, or all: each with as many replicas as it has")
	f.StringVar(&slo, "slo", "p99<50ms,errors<0.1%", "what a rate has to meet")
	f.IntSliceVar(&o.Replicas, "replicas", []int{1, 2, 3}, "numbers of replicas of one stage; three or more are fitted by the scalability law")
	f.Float64Var(&o.Plan.From, "from", 200, "first rate, requests a second")
	f.Float64Var(&o.Plan.To, "to", 50_000, "highest rate")
	f.Float64Var(&o.Plan.Precision, "precision", 0.08, "how close the search goes, as a share")
	f.IntVar(&o.Plan.Confirms, "confirms", 3, "windows of the confirming run")
	f.DurationVar(&o.Window, "window", 4*time.Second, "length of one measurement")
	f.IntVar(&o.Closed, "closed", 4, "closed-loop windows for the scalability law; 0: no law")
	f.StringVar(&o.Profile, "profile", "", "a profile of the scenario")
	f.StringVar(&o.Runtime, "runtime", "", "what carries the nodes: docker or host (processes); by default docker where an engine answers")
	f.StringVar(&o.Reports, "reports", "reports", "folder for reports")
	f.StringVar(&o.Gateway, "gateway", "", "the gateway's binary; by default the one beside this program")
	return c
}
