package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/report"
	"gatelab/harness/internal/runner"
)

func runCommand() *cobra.Command {
	o := runner.Options{Version: version}
	watch := runner.WatchConfig{Version: version}
	c := &cobra.Command{
		Use:   "run SCENARIO.yaml",
		Short: "carry out a scenario and write its report",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File, o.Command = args[0], append([]string{"harness"}, os.Args[1:]...)
			o.Console = runner.NewConsole(os.Stdout)
			if err := binaries(&o); err != nil {
				return err
			}
			tokenFromEnv(&watch.Grafana)
			var err error
			if o.Watch, err = runner.NewWatch(cmd.Context(), watch); err != nil {
				return err
			}
			out, err := runner.Run(cmd.Context(), o)
			if werr := o.Watch.Close(cmd.Context()); werr != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "harness:", werr) // the figures are none the worse for it
			}
			if out == nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout())
			if terr := report.Table(cmd.OutOrStdout(), out.Result, report.TableOptions{Color: o.Console.Terminal()}); terr != nil {
				return terr
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nreport: %s\n", filepath.Join(out.Dir, report.FileHTML))
			if errors.Is(err, runner.ErrInvalid) {
				return failed{err}
			}
			return err
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.Stages, "stage", []string{"all"}, "stages to measure, or all")
	f.StringVar(&o.Profile, "profile", "full", "how long to measure: a profile of the scenario")
	f.StringVar(&o.Runtime, "runtime", "", "what carries the nodes: docker or host (processes); by default docker where an engine answers")
	f.StringVar(&o.Reports, "reports", "reports", "folder for reports")
	f.StringVar(&o.Gateway, "gateway", "", "the gateway's binary; by default the one beside this program")
	f.StringSliceVar(&watch.MetricsHosts, "metrics-hosts", []string{"host.docker.internal"}, "further names by which metrics-listen is scraped")
	f.StringVar(&watch.MetricsListen, "metrics-listen", "", "host:port where /metrics tells of the run, such as 127.0.0.1:9464; empty: nowhere")
	grafanaFlags(c, &watch.Grafana)
	return c
}

// binaries finds our own programs: this one, and the gateway beside it.
func binaries(o *runner.Options) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	o.Harness = self
	if o.Gateway == "" {
		o.Gateway = filepath.Join(filepath.Dir(self), "gateway")
	}
	if _, err := os.Stat(o.Gateway); err != nil {
		return fmt.Errorf("the gateway's binary: %w: build it (make build) or name it with --gateway", err)
	}
	return nil
}

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report RUN",
		Short: "write a run's report again from its result.json",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := report.Read(filepath.Join(args[0], report.FileJSON))
			if err != nil {
				return err
			}
			if err := report.Write(args[0], r); err != nil {
				return err
			}
			return report.Table(cmd.OutOrStdout(), r, report.TableOptions{})
		},
	}
}
