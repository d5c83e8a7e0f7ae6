package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/report"
	"gatelab/harness/internal/runner"
)

// Files in the folder of experiments that are none themselves: what they share,
// and the lab of the alert drill.
const (
	baseFile  = "base.yaml"
	drillName = "alert-drill"
	drillFile = drillName + ".yaml"
)

func chaosCommand() *cobra.Command {
	o := runner.Options{Version: version, Chaos: true}
	var dir string
	var seed uint64
	var alerts []string
	c := &cobra.Command{
		Use:   "chaos FAULT|all|FILE.yaml",
		Short: "break a lab on purpose under load, and report availability and recovery",
		Long: `Break a lab on purpose under load, and report availability and recovery.

alert-drill is different: it starts a Prometheus and an Alertmanager beside the
lab, breaks something for each alert, and reports how long each takes to fire and
to resolve, and what else fired. It needs both programs (make deps), and is no
part of "all".`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == drillName || filepath.Base(args[0]) == drillFile {
				return drillAlerts(cmd, o, filepath.Join(dir, drillFile), alerts)
			}
			files, err := experiments(dir, args[0])
			if err != nil {
				return err
			}
			o.Command = append([]string{"harness"}, os.Args[1:]...)
			if cmd.Flags().Changed("seed") {
				o.Seed = &seed
			}
			if err := binaries(&o); err != nil {
				return err
			}
			return experimentAll(cmd, o, files)
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "scenarios", "scenarios/chaos", "folder of the experiments")
	f.StringVar(&o.Profile, "profile", "full", "how long to measure: a profile of the scenario")
	f.DurationVar(&o.Duration, "duration", 0, "of the load under faults; 0 is the scenario's")
	f.Uint64Var(&seed, "seed", 0, "of random faults and of the load; the scenario's unless given")
	f.StringVar(&o.Runtime, "runtime", "", "what carries the nodes: docker or host (processes); by default docker where an engine answers")
	f.StringVar(&o.Reports, "reports", "reports", "folder for reports")
	f.StringSliceVar(&alerts, "alert", nil, "of alert-drill: try only these; by default all of them")
	f.StringVar(&o.Gateway, "gateway", "", "the gateway's binary; by default the one beside this program")
	c.AddCommand(overviewCommand())
	return c
}

// experiments are the files of one fault, or all of them but game days, which
// are as long as one likes.
func experiments(dir, name string) ([]string, error) {
	if strings.HasSuffix(name, ".yaml") {
		return []string{name}, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var names []string
	files = slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == baseFile || filepath.Base(f) == drillFile })
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".yaml"))
	}
	if name == "all" {
		return slices.DeleteFunc(files, func(f string) bool { return strings.HasPrefix(filepath.Base(f), "game-day") }), nil
	}
	if i := slices.Index(names, name); i >= 0 {
		return files[i : i+1], nil
	}
	return nil, fmt.Errorf("unknown experiment %q in %s: want all, %s or one of %s", name, dir, drillName, strings.Join(names, ", "))
}

// drillAlerts tries every alert out. It ends with 1 where one did not do what it
// is for.
func drillAlerts(cmd *cobra.Command, o runner.Options, file string, alerts []string) error {
	o.File, o.Console = file, runner.NewConsole(os.Stdout)
	o.Command = append([]string{"harness"}, os.Args[1:]...)
	if err := binaries(&o); err != nil {
		return err
	}
	out, err := runner.AlertDrill(cmd.Context(), runner.DrillOptions{Options: o, Alerts: alerts})
	if out == nil {
		return err
	}
	w := cmd.OutOrStdout()
	fmt.Fprintln(w)
	if terr := report.DrillText(w, out.Result); terr != nil {
		return terr
	}
	fmt.Fprintf(w, "\nreport: %s\n", filepath.Join(out.Dir, report.FileHTML))
	if errors.Is(err, runner.ErrAlerts) {
		return failed{err}
	}
	return err
}

// experimentAll carries experiments out one after the other. One that does not
// show what it should does not keep the others from running.
func experimentAll(cmd *cobra.Command, o runner.Options, files []string) error {
	var bad []string
	var done []*report.Result
	for _, file := range files {
		o.File, o.Console = file, runner.NewConsole(os.Stdout)
		began := time.Now()
		r, err := experimentOne(cmd.Context(), cmd, o)
		if r != nil {
			done = append(done, r)
		}
		switch {
		case cmd.Context().Err() != nil:
			return err
		case err == nil:
		case len(files) == 1:
			return err
		default:
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %v\n", file, err)
			bad = append(bad, filepath.Base(file))
		}
		if len(files) > 1 {
			fmt.Fprintf(cmd.OutOrStdout(), "\n%s took %.0f s\n\n", file, time.Since(began).Seconds())
		}
	}
	if len(files) > 1 && len(done) > 0 {
		if err := overview(cmd, o.Reports, done); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return failed{fmt.Errorf("%d of %d experiments failed: %s", len(bad), len(files), strings.Join(bad, ", "))}
	}
	return nil
}

// experimentOne says what came of an experiment. The result is nil where there
// is none.
func experimentOne(ctx context.Context, cmd *cobra.Command, o runner.Options) (*report.Result, error) {
	out, err := runner.Run(ctx, o)
	if out == nil {
		return nil, err
	}
	w := cmd.OutOrStdout()
	fmt.Fprintln(w)
	if terr := report.Table(w, out.Result, report.TableOptions{Color: o.Console.Terminal()}); terr != nil {
		return out.Result, terr
	}
	fmt.Fprintf(w, "\nreport: %s\n", filepath.Join(out.Dir, report.FileHTML))
	if errors.Is(err, runner.ErrInvalid) || errors.Is(err, runner.ErrUnexpected) {
		return out.Result, failed{err}
	}
	return out.Result, err
}

func overviewCommand() *cobra.Command {
	var reports string
	c := &cobra.Command{
		Use:   "overview RUN...",
		Short: "sum experiments that were carried out up in one table and report",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var of []*report.Result
			for _, dir := range args {
				r, err := report.Read(filepath.Join(dir, report.FileJSON))
				if err != nil {
					return err
				}
				of = append(of, r)
			}
			return overview(cmd, reports, of)
		},
	}
	c.Flags().StringVar(&reports, "reports", "reports", "folder for reports")
	return c
}

// overview writes the report of many experiments and prints its table.
func overview(cmd *cobra.Command, reports string, of []*report.Result) error {
	out, err := runner.Overview(reports, of)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	fmt.Fprintln(w)
	if err := report.Table(w, out.Result, report.TableOptions{Color: runner.NewConsole(os.Stdout).Terminal()}); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nreport: %s\n", filepath.Join(out.Dir, report.FileHTML))
	return nil
}
