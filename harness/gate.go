package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/harness/internal/compare"
	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/report"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

func (p *Program) gateCommand() *cobra.Command {
	o, services := compare.GateOptions{Margins: gate.DefaultMargins()}, serviceFlags{}
	c := &cobra.Command{
		Use:   "gate [SCENARIO.yaml]",
		Short: "Compare two builds of a gateway or service: pass, regression or inconclusive",
		Long: `Compare two builds of a gateway or service: pass, regression or inconclusive.

The base is built from a git reference, and the head from the working tree. With
--workload, they are two commands or two images of any service, and a file of
policies defines the traffic. If the responses of the head to the probes differ,
this is a regression. Both builds run side by side in one lab and are measured
in alternation. The exit code is 0 for a pass, 1 for a regression, 3 for an
inconclusive comparison, and 2 if the gate could not run.`,
		Example: `  harness gate --base main
  harness gate --patch slower.patch --profile smoke
  harness gate --base HEAD --head-tracing 0.01
  harness gate --baseline reports/baseline/gate.json
  harness gate --workload shop.yaml --base-image shop:1.4@8080 --head-image shop:1.5@8080
  harness gate --workload shop.yaml --base-command './v1 {listen}' --head-command './v2 {listen}'`,
		Args: cobra.MaximumNArgs(1),
	}
	f := c.Flags()
	f.StringVar(&o.Base, "base", "HEAD", "git `reference` of the base")
	f.StringVar(&o.Patch, "patch", "", "`file` with a patch: the head is the base with this patch, instead of the working tree")
	f.StringVar(&o.Baseline, "baseline", "",
		"`file` with recorded rounds (gate.json) to compare with, instead of building a base; less sensitive")
	f.IntVar(&o.MaxRounds, "max-rounds", 0, "`number` of rounds after the extension (default twice that of the scenario)")
	f.BoolVar(&o.Profiles, "profiles", true, "take CPU and heap profiles of both builds if the gate fails")
	tracing := f.Float64("head-tracing", 0, "the head also traces this `share` of its requests (plugin opentelemetry), the base none")
	marginFlags(f, &o.Margins)
	services.add(f)
	observers := p.sessionFlags(c, &o.Config, "full")
	observers.output.addObjectives(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		o.File = "scenarios/gate.yaml"
		if len(args) == 1 {
			o.File = args[0]
		}
		if err := headTracing(f, &services, &o, tracing); err != nil {
			return err
		}
		closed, err := observers.open(cmd, &o.Config)
		if err != nil {
			return err
		}
		defer closed()
		gateOf := compare.Gate
		if services.given() {
			gateOf = services.run
		}
		out, err := gateOf(cmd.Context(), o)
		if err != nil {
			return err
		}
		return observers.finish(cmd, &session.Outcome{Result: out.Result, Dir: out.Dir}, gateError(out.Decision.Verdict),
			func(w io.Writer) error { return printGate(w, out) })
	}
	c.AddCommand(p.replayCommand(), p.gateCommentCommand())
	return c
}

// headTracing has the head trace a share of its requests where the flag was given.
func headTracing(f *pflag.FlagSet, services *serviceFlags, o *compare.GateOptions, share *float64) error {
	if !f.Changed("head-tracing") {
		return nil
	}
	if services.given() {
		return errors.New("head-tracing: is not allowed with a service: only gateways of ours have the plugin")
	}
	o.Tracing = share
	return nil
}

// margin is one margin's flag.
type margin struct {
	flag, usage string
	of          func(*gate.Margins) *float64
}

var margins = []margin{
	{flag: "margin-cpu", usage: "tolerated rise of CPU per request, as a `share`", of: func(m *gate.Margins) *float64 { return &m.CPU }},
	{
		flag: "margin-together", usage: "tolerated rise of CPU per request of all workloads together, as a `share`",
		of: func(m *gate.Margins) *float64 { return &m.Together },
	},
	{
		flag: "margin-latency", usage: "difference of p50 or p90 that is ignored, in `ms`",
		of: func(m *gate.Margins) *float64 { return &m.Latency },
	},
	{
		flag: "margin-slow", usage: "tolerated rise of the share of slow requests, absolute, as a `share` of requests",
		of: func(m *gate.Margins) *float64 { return &m.Slow },
	},
	{flag: "margin-p50", usage: "tolerated rise of the corrected p50, as a `share`", of: func(m *gate.Margins) *float64 { return &m.P50 }},
	{flag: "margin-p90", usage: "tolerated rise of the corrected p90, as a `share`", of: func(m *gate.Margins) *float64 { return &m.P90 }},
	{flag: "margin-p99", usage: "tolerated rise of the corrected p99, as a `share`", of: func(m *gate.Margins) *float64 { return &m.P99 }},
	{
		flag: "margin-throughput", usage: "tolerated loss of throughput, as a `share`; advisory",
		of: func(m *gate.Margins) *float64 { return &m.Throughput },
	},
	{
		flag: "margin-errors", usage: "tolerated rise of the error rate, absolute, as a `share` of requests",
		of: func(m *gate.Margins) *float64 { return &m.ErrorRate },
	},
}

// marginFlags adds the margins' flags; their present values are the defaults.
func marginFlags(f *pflag.FlagSet, m *gate.Margins) {
	for _, one := range margins {
		f.Float64Var(one.of(m), one.flag, *one.of(m), one.usage)
	}
}

// replaceMargins overwrites recorded margins with those that flags give.
func replaceMargins(f *pflag.FlagSet, recorded *gate.Margins, given gate.Margins) error {
	for _, one := range margins {
		if f.Changed(one.flag) {
			*one.of(recorded) = *one.of(&given)
		}
	}
	return given.Validate()
}

// printGate prints the summary and the verdict.
func printGate(w io.Writer, out *compare.GateOutcome) error {
	if err := gate.Markdown(w, out.Record, out.Decision); err != nil {
		return err
	}
	if err := report.Objectives(w, out.Result, tableOptions(w)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nreport: %s\n%s\n", filepath.Join(out.Dir, compare.FileGateSummary), out.Decision.Line())
	return err
}

// gateError is what a gate fails for.
func gateError(v stats.Verdict) error {
	switch v {
	case stats.Pass:
		return nil
	case stats.Fail:
		return errRegression
	}
	return errInconclusive
}
