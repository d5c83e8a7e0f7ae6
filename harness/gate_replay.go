package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/gate"
)

func (p *Program) replayCommand() *cobra.Command {
	o := gate.ReplayOptions{Times: 1000, Seed: 1, Ratios: []float64{1, 1.05, 1.1, 1.2, 1.3, 1.5}}
	given := gate.DefaultMargins()
	c := &cobra.Command{
		Use:   "replay RUN...",
		Short: "Estimate the gate's error rates from recorded rounds",
		Long: `Estimate the gate's error rates by resampling the recorded rounds of runs: how
often equal builds fail, and how often a build that is slower by a given ratio
passes. Each run keeps its own margins unless flags give others.`,
		Example: `  harness gate replay reports/latest-gate
  harness gate replay --equal --times 400 reports/published/gate/2026-11-25/aa-*`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var runs []gate.Run
			for _, dir := range args {
				r, err := gate.Read(filepath.Join(dir, gate.FileRecord))
				if err != nil {
					return err
				}
				if err := replaceMargins(cmd.Flags(), &r.Margins, given); err != nil {
					return err
				}
				runs = append(runs, gate.Run{Name: filepath.Base(dir), Record: r})
			}
			return gate.WriteReplay(cmd.OutOrStdout(), runs, o)
		},
	}
	f := c.Flags()
	f.IntVar(&o.Times, "times", o.Times, "`number` of draws for each figure")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "`seed` of the draws")
	f.BoolVar(&o.Equal, "equal", false, "all runs compared equal builds: make the head slower, and not the base's second replica")
	f.Float64SliceVar(&o.Ratios, "ratio", o.Ratios, "`ratios` of regressions to inject; 1 gives the rate of false alarms")
	marginFlags(f, &given)
	return c
}
