package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gatelab/harness/internal/gate"
	"gatelab/harness/internal/runner"
	"gatelab/harness/internal/stats"
)

// inconclusive marks an error that says "it ran, and the data carry no verdict".
type inconclusive struct{ error }

func gateCommand() *cobra.Command {
	o := runner.GateOptions{Options: runner.Options{Version: version}, Margins: gate.DefaultMargins()}
	c := &cobra.Command{
		Use:   "gate [SCENARIO.yaml]",
		Short: "compare two builds of the gateway: exit 0 pass, 1 regression, 3 inconclusive, 2 could not run",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File = "scenarios/gate.yaml"
			if len(args) == 1 {
				o.File = args[0]
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			o.Harness, o.Command = self, append([]string{"harness"}, os.Args[1:]...)
			o.Console = runner.NewConsole(os.Stdout)
			out, err := runner.Gate(cmd.Context(), o)
			if err != nil {
				return err
			}
			return sayGate(cmd.OutOrStdout(), out)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Base, "base", "HEAD", "git reference of the build to compare with")
	f.StringVar(&o.Patch, "patch", "", "compare the reference with itself plus this patch, instead of with the working tree")
	f.StringVar(&o.Baseline, "baseline", "", "compare with the rounds of this gate.json instead of a second build: weaker, see the summary")
	f.StringVar(&o.Profile, "profile", "full", "how long to measure: a profile of the scenario")
	f.IntVar(&o.MaxRounds, "max-rounds", 0, "rounds after the one extension; 0: twice the scenario's")
	f.StringVar(&o.Reports, "reports", "reports", "folder for reports")
	f.StringVar(&o.Runtime, "runtime", "", "what carries the nodes: docker or host (processes); by default docker where an engine answers")
	f.BoolVar(&o.Profiles, "profiles", true, "take CPU and heap profiles of both arms when the gate fails")
	marginFlags(f, &o.Margins)
	c.AddCommand(gateReplayCommand())
	return c
}

// marginFlags are the margins', whose present values are the defaults.
func marginFlags(f *pflag.FlagSet, m *gate.Margins) {
	f.Float64Var(&m.CPU, "margin-cpu", m.CPU, "tolerated rise of CPU a request, as a share")
	f.Float64Var(&m.P50, "margin-p50", m.P50, "tolerated rise of the corrected p50, as a share")
	f.Float64Var(&m.P90, "margin-p90", m.P90, "tolerated rise of the corrected p90, as a share")
	f.Float64Var(&m.P99, "margin-p99", m.P99, "tolerated rise of the corrected p99, as a share")
	f.Float64Var(&m.Throughput, "margin-throughput", m.Throughput, "tolerated loss of throughput, as a share; advisory")
	f.Float64Var(&m.ErrorRate, "margin-errors", m.ErrorRate, "tolerated rise of the error rate, absolute")
}

// otherMargins puts the margins that were asked for in the place of recorded ones.
func otherMargins(f *pflag.FlagSet, recorded *gate.Margins, asked gate.Margins) error {
	for _, one := range []struct {
		flag string
		to   *float64
		from float64
	}{
		{"margin-cpu", &recorded.CPU, asked.CPU}, {"margin-p50", &recorded.P50, asked.P50}, {"margin-p90", &recorded.P90, asked.P90},
		{"margin-p99", &recorded.P99, asked.P99}, {"margin-throughput", &recorded.Throughput, asked.Throughput}, {"margin-errors", &recorded.ErrorRate, asked.ErrorRate},
	} {
		if f.Changed(one.flag) {
			*one.to = one.from
		}
	}
	return asked.Validate()
}

// sayGate prints the summary, and the verdict as the last line.
func sayGate(w io.Writer, out *runner.GateOutcome) error {
	fmt.Fprintln(w)
	if err := gate.Markdown(w, out.Record, out.Decision); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nreport: %s\n%s\n", filepath.Join(out.Dir, runner.FileGateSummary), out.Decision.Line())
	switch out.Decision.Verdict {
	case stats.Pass:
		return nil
	case stats.Fail:
		return failed{errors.New("regression")}
	}
	return inconclusive{errors.New("inconclusive")}
}

func gateReplayCommand() *cobra.Command {
	times, seed, equal := 1000, uint64(1), false
	ratios := []float64{1, 1.05, 1.1, 1.2, 1.3, 1.5}
	asked := gate.DefaultMargins()
	c := &cobra.Command{
		Use:   "replay RUN...",
		Short: "estimate the gate's error rates from the recorded rounds of runs, by resampling; with each run's own margins, or with others",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var records []*gate.Record
			w := cmd.OutOrStdout()
			rounds, builds := 0, true
			arm, nothing := gate.Again, "nothing: base's second replica"
			if equal {
				arm, nothing = gate.Head, "nothing: head is base's build"
			}
			for _, dir := range args {
				r, err := gate.Read(filepath.Join(dir, gate.FileRecord))
				if err != nil {
					return err
				}
				if base, head := r.Arms[gate.Base], r.Arms[gate.Head]; equal && !strings.HasSuffix(head, base) {
					return fmt.Errorf("--equal: %s compared %q with %q: want runs whose head is the base's commit, or leave the flag out", dir, base, head)
				}
				if err := otherMargins(cmd.Flags(), &r.Margins, asked); err != nil {
					return err
				}
				records, rounds = append(records, r), rounds+r.Measured()
				if builds = builds && r.Arms[gate.Head] != ""; builds {
					fmt.Fprintf(w, "%s, as it is: %s\n", filepath.Base(dir), gate.Decide(r, r.Measured()).Line())
				}
			}
			fmt.Fprintf(w, "\n%d recorded rounds of %d gates, each verdict %d times\n\n%-32s %8s %8s %8s %14s %9s\n", rounds, len(records), times, "slower in", "ratio", "pass", "fail", "inconclusive", "extended")
			say := func(what, arm string, ratio float64, cpuOnly bool) error {
				r, err := gate.Replay(records, arm, times, ratio, cpuOnly, seed)
				if err != nil {
					return err
				}
				if what == "" {
					what = r.What
				}
				fmt.Fprintf(w, "%-32s %8.2f %7.1f%% %7.1f%% %13.1f%% %8.1f%%\n", what, ratio, r.Pass*100, r.Fail*100, r.Inconclusive*100, r.Extended*100)
				return nil
			}
			if builds && !equal {
				if err := say("head as it was measured", gate.Head, 1, false); err != nil {
					return err
				}
			}
			for _, ratio := range ratios {
				if ratio == 1 {
					if err := say(nothing, arm, 1, true); err != nil {
						return err
					}
					continue
				}
				for _, cpuOnly := range []bool{true, false} {
					if err := say("", arm, ratio, cpuOnly); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	f := c.Flags()
	f.IntVar(&times, "times", times, "how often rounds are drawn for each figure")
	f.Uint64Var(&seed, "seed", seed, "of the draws")
	f.BoolVar(&equal, "equal", equal, "all runs compared equal builds: take head, as a gate does, and not base's second replica, for the build that is made slower")
	marginFlags(f, &asked) // by default each run's own
	f.Float64SliceVar(&ratios, "ratio", ratios, "regressions to inject; 1 gives the rate of false alarms")
	return c
}
