package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/report"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/slo"
	"github.com/gatelab/gatelab/internal/suggest"
)

// Values of --output and --fail-on.
const (
	outputText = "text"
	outputJSON = "json"
	failOnSLO  = "slo"
)

// outputFlags say what a measuring command writes where, and what it fails for.
type outputFlags struct {
	format            string
	quiet, noProgress bool
	printPath         bool
	failOn            []string
	objectives        string
	remoteWrite       string
}

func (o *outputFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.format, "output", outputText,
		"`format` of the result on standard output: text or json; with json, everything else goes to standard error")
	f.BoolVarP(&o.quiet, "quiet", "q", false,
		"print no steps, progress or tables, only errors and the output of --output json and --print-result-path")
	f.BoolVar(&o.noProgress, "no-progress", false, "print steps, but no progress between them")
	f.BoolVar(&o.printPath, "print-result-path", false, "print the path of result.json as the last line")
	remoteWriteFlag(cmd, &o.remoteWrite)
	complete(cmd, "output", outputText, outputJSON)
}

// addObjectives adds the flags of commands whose stages are held to objectives.
func (o *outputFlags) addObjectives(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.objectives, "slo", "",
		"`objectives` that replace those of the scenario, such as 'p99<250ms,errors<2%,p99{login}<1s' (docs/slo.md)")
	o.addFailOn(cmd)
}

func (o *outputFlags) addFailOn(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&o.failOn, "fail-on", nil,
		"additional `condition` for a non-zero exit code: slo (exit code 5)")
	complete(cmd, "fail-on", failOnSLO)
}

// apply checks the flags and puts objectives into the session's configuration.
func (o *outputFlags) apply(c *session.Config) (err error) {
	if known := []string{outputText, outputJSON}; !slices.Contains(known, o.format) {
		return fmt.Errorf("output: %w", suggest.Unknown("format", o.format, known))
	}
	for _, what := range o.failOn {
		if what != failOnSLO {
			return fmt.Errorf("fail-on: %w", suggest.Unknown("outcome", what, []string{failOnSLO}))
		}
	}
	if o.objectives != "" {
		c.Objectives, err = slo.Parse(o.objectives)
	}
	c.WantObjectives = o.failsOnSLO()
	return err
}

func (o *outputFlags) failsOnSLO() bool { return slices.Contains(o.failOn, failOnSLO) }

// steps is where a session's steps and progress go; nil: nowhere.
func (o *outputFlags) steps(cmd *cobra.Command) io.Writer {
	switch {
	case o.quiet:
		return nil
	case o.format == outputJSON:
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

// finish writes the outcome of a run as the flags say, and decides what the command fails for. text writes it for people; nil: as the
// run's kind asks for. The error is the run's, or that of writing; without an outcome nothing is written.
func (o *observers) finish(cmd *cobra.Command, out *session.Outcome, err error, text func(io.Writer) error) error {
	if out == nil {
		return err
	}
	w := cmd.OutOrStdout()
	pathTo := w
	switch {
	case o.output.format == outputJSON:
		if werr := result.JSON(w, out.Result); werr != nil {
			return werr
		}
		pathTo = cmd.ErrOrStderr()
	case o.output.quiet:
	default:
		if text == nil {
			text = func(w io.Writer) error { return outcomeText(w, out) }
		}
		fmt.Fprintln(w)
		if werr := text(w); werr != nil {
			return werr
		}
	}
	if o.program.Getenv("GITHUB_ACTIONS") == "true" {
		annotate(cmd.ErrOrStderr(), out.Result)
	}
	sent := o.send(cmd, out)
	if o.output.printPath {
		fmt.Fprintln(pathTo, filepath.Join(out.Dir, result.FileJSON))
	}
	return errors.Join(o.output.verdict(out.Result, err), sent)
}

// send sends a run where --remote-write says.
func (o *observers) send(cmd *cobra.Command, out *session.Outcome) error {
	if o.output.remoteWrite == "" {
		return nil
	}
	return o.program.remoteWrite(cmd, o.output.remoteWrite, out.Result)
}

// outcomeText is a run for people, with the place of its report.
func outcomeText(w io.Writer, out *session.Outcome) (err error) {
	switch r := out.Result; {
	case r.Drill != nil:
		err = report.DrillText(w, r)
	case r.Scale != nil:
		err = report.ScaleText(w, r)
	case len(r.Capacity) > 0:
		err = report.CapacityText(w, r)
	default:
		err = report.Table(w, r, tableOptions(w))
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "\nreport: %s\n", filepath.Join(out.Dir, result.FileHTML))
	}
	return err
}

// tableOptions are those that suit a writer.
func tableOptions(w io.Writer) report.TableOptions {
	c := session.NewConsole(w)
	return report.TableOptions{Color: c.Color(), Width: c.Width()}
}

// verdict is the error of a run with what --fail-on adds. A run that is not valid says nothing of objectives, unless too many errors alone
// make it so: then they are what was missed.
func (o *outputFlags) verdict(r *result.Result, err error) error {
	if !o.failsOnSLO() {
		return err
	}
	if err != nil && (!errors.Is(err, session.ErrInvalid) || !onlyErrors(r)) {
		return err
	}
	if unmet := unmetTexts(r); len(unmet) > 0 {
		return fmt.Errorf("%w: %s", errObjectives, strings.Join(unmet, "; "))
	}
	return err
}

// onlyErrors says whether nothing but failed requests make a run invalid, and an objective of them was missed.
func onlyErrors(r *result.Result) bool {
	missed := map[string]bool{}
	for _, o := range r.Unmet() {
		if o.Metric == slo.Errors && o.Met != nil {
			missed[o.Stage] = true
		}
	}
	reasons := 0
	for i := range r.Stages {
		s := &r.Stages[i]
		for _, c := range s.Checks {
			if c.Verdict == measure.Invalid && (c.Name != measure.Errors || !missed[s.Name]) {
				return false
			}
		}
		reasons += len(s.InvalidReasons)
	}
	return len(r.InvalidReasons) <= reasons
}

// unmetTexts are the objectives that were missed or are not known, in words; of a capacity search, where no rate was within them.
func unmetTexts(r *result.Result) (out []string) {
	for _, o := range r.Unmet() {
		out = append(out, fmt.Sprintf("%s: %s: %s", o.Stage, o.Text(), o.Saw()))
	}
	for _, c := range r.Capacity {
		if c.QPS == nil {
			out = append(out, fmt.Sprintf("%s: no rate was within %s", c.Stage, c.SLO))
		}
	}
	return out
}

// annotate writes what was missed, what is not valid and a verdict as GitHub's workflow commands.
func annotate(w io.Writer, r *result.Result) {
	for _, text := range unmetTexts(r) {
		fmt.Fprintf(w, "::error title=%s::%s\n", githubProperty("SLO missed"), githubText(r.Scenario+": "+text))
	}
	if all := r.Objectives(); len(all) > 0 && len(unmetTexts(r)) == 0 {
		fmt.Fprintf(w, "::notice title=SLO met::%s\n", githubText(fmt.Sprintf("%s: %d objective(s) met", r.Scenario, len(all))))
	}
	for _, why := range r.InvalidReasons {
		fmt.Fprintf(w, "::warning title=not valid::%s\n", githubText(r.Scenario+": "+why))
	}
	if c := r.Comparison; c != nil && c.Verdict == "fail" {
		fmt.Fprintf(w, "::error title=regression::%s\n", githubText(c.Reason))
	}
}

// githubText is text as the value of a workflow command.
func githubText(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// githubProperty is text as a property of a workflow command.
func githubProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubText(s))
}
