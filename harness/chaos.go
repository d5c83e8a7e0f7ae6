package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/harness/internal/drill"
	"github.com/gatelab/gatelab/harness/internal/experiment"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
)

func scenariosFlag(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "scenarios", "scenarios/chaos", "`folder` of the experiments")
}

func (p *Program) chaosCommand() *cobra.Command {
	var o experiment.Options
	var dir string
	var seed uint64
	c := &cobra.Command{
		Use:   "chaos EXPERIMENT|all|FILE.yaml",
		Short: "Inject faults into a loaded lab, and report availability and recovery",
		Long: `Inject faults into a loaded lab, and report availability and recovery.

The name of an experiment is the name of its file in the folder of experiments,
without .yaml. "all" runs every experiment except game days, one after another.
If one fails, the others still run. Experiments that need several machines are
skipped without --runtime kubernetes. An overview is written at the end.`,
		Example: `  harness chaos kill-gateway
  harness chaos all --profile smoke
  harness chaos game-day --duration 60m --seed 7`,
		Args: cobra.ExactArgs(1),
	}
	f := c.Flags()
	scenariosFlag(f, &dir)
	f.DurationVar(&o.Duration, "duration", 0, "duration of the load under faults (default that of the scenario)")
	f.Uint64Var(&seed, "seed", 0, "`seed` of random faults and of the load (default that of the scenario)")
	gatewayFlag(f, &o.Gateway)
	observers := p.sessionFlags(c, &o.Config, "full")
	observers.output.addObjectives(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if filepath.Base(args[0]) == drill.File {
			return fmt.Errorf("%s is not an experiment: want harness chaos %s --scenarios %s", args[0], drill.Name, filepath.Dir(args[0]))
		}
		files, err := experiment.Files(dir, args[0])
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("seed") {
			o.Seed = &seed
		}
		closed, err := observers.open(cmd, &o.Config)
		if err != nil {
			return err
		}
		defer closed()
		if len(files) == 1 {
			o.File = files[0]
			out, err := experiment.Run(cmd.Context(), o)
			return observers.finish(cmd, out, err, nil)
		}
		return observers.runExperiments(cmd, o, files)
	}
	c.AddCommand(withExits(p.drillCommand(), exitFailed, exitInvalid), p.overviewCommand())
	return c
}

// runExperiments carries out experiments one after another, and writes an overview. One that fails does not keep the others from running.
// The overview is the one result on standard output if that is JSON.
func (s *observers) runExperiments(cmd *cobra.Command, o experiment.Options, files []string) error {
	w := s.output.steps(cmd)
	if w == nil {
		w = io.Discard
	}
	var bad, unmet []string
	var done []*result.Result
	for _, file := range files {
		o.File = file
		began := time.Now()
		out, err := experiment.Run(cmd.Context(), o)
		if out != nil {
			done = append(done, out.Result)
			if s.program.Getenv("GITHUB_ACTIONS") == "true" {
				annotate(cmd.ErrOrStderr(), out.Result)
			}
			fmt.Fprintln(w)
			err = errors.Join(outcomeText(w, out), s.output.verdict(out.Result, err), s.send(cmd, out))
		}
		if cmd.Context().Err() != nil {
			return err
		}
		if errors.Is(err, session.ErrOneMachine) {
			fmt.Fprintf(w, "%s skipped: %v\n\n", file, err)
			continue
		}
		if err != nil {
			fmt.Fprintf(w, "%s: %v\n", file, err)
			if errors.Is(err, errObjectives) {
				unmet = append(unmet, filepath.Base(file))
			} else {
				bad = append(bad, filepath.Base(file))
			}
		}
		fmt.Fprintf(w, "\n%s took %.0f s\n\n", file, time.Since(began).Seconds())
	}
	if len(done) > 0 {
		if err := s.writeOverview(cmd, o.Reports, done); err != nil {
			return err
		}
	}
	switch {
	case len(bad) > 0:
		return fmt.Errorf("%d of %d %w: %s", len(bad), len(files), errExperiments, strings.Join(bad, ", "))
	case len(unmet) > 0:
		return fmt.Errorf("%w in %d of %d experiments: %s", errObjectives, len(unmet), len(files), strings.Join(unmet, ", "))
	}
	return nil
}
