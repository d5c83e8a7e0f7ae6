package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/alerts"
	"github.com/gatelab/gatelab/dashboards"
	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/internal/suggest"
)

func (p *Program) alertsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "alerts",
		Short: "Write the alert rules for your Prometheus, or check whether they can fire",
		Example: `  harness alerts export --runbook-url https://runbooks.example.com --job edge
  harness alerts check --prometheus-url http://127.0.0.1:9090`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return suggest.Unknown("command", args[0], []string{"check", "export"})
		},
	}
	c.AddCommand(p.alertsExportCommand(), withExits(p.alertsCheckCommand(), exitFailed))
	return c
}

// exportOptions are the flags of alerts export.
type exportOptions struct {
	alerts.Options
	format     string
	thresholds []string
	name       string
	namespace  string
	labels     map[string]string
	out        string
}

// Formats of alerts export.
const (
	formatRules    = "rules"
	formatOperator = "prometheusrule"
	formatMixin    = "mixin"
)

func (p *Program) alertsExportCommand() *cobra.Command {
	var o exportOptions
	var help strings.Builder
	for _, t := range alerts.Thresholds() {
		fmt.Fprintf(&help, "  %s (default %g)\n      %s\n", t.Name, t.Default, t.Meaning)
	}
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the alert and recording rules, adapted to your Prometheus",
		Long: `Write the alert and recording rules, adapted to your Prometheus. The output is
rule files (rules), a resource of the Prometheus operator (prometheusrule), or
rules and dashboards as the generated files of a monitoring mixin (mixin).

Thresholds:
` + help.String(),
		Example: `  harness alerts export --out rules --job edge --runbook-url https://runbooks.example.com
  harness alerts export --format prometheusrule --namespace monitoring --label release=prometheus > rules.yaml
  harness alerts export --format mixin --out mixin --threshold p99-seconds=1 --threshold availability=0.995`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.parse(); err != nil {
				return err
			}
			return o.write(cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.format, "format", formatRules, "`format`: rules, prometheusrule or mixin")
	f.StringVar(&o.Job, "job", alerts.Job, "`name` of the job by which Prometheus scrapes the gateways")
	f.StringVar(&o.RunbookURL, "runbook-url", "", "`address` of the folder with the runbooks (default a path of this project)")
	f.StringArrayVar(&o.thresholds, "threshold", nil, "`name=number` of a threshold; can be repeated")
	f.StringVar(&o.name, "name", "gatelab", "`name` of the resource")
	f.StringVar(&o.namespace, "namespace", "", "`namespace` of the resource")
	f.StringToStringVar(&o.labels, "label", nil, "`label=value` of the resource; can be repeated")
	f.StringVar(&o.out, "out", "", "`folder` for the files (default standard output, as one file)")
	return c
}

// parse reads the thresholds and checks the format.
func (o *exportOptions) parse() error {
	formats := []string{formatRules, formatOperator, formatMixin}
	if !slices.Contains(formats, o.format) {
		return suggest.Unknown("format", o.format, formats)
	}
	if o.format == formatMixin && o.out == "" {
		return errors.New("alerts export: a mixin is several files: name a folder with --out")
	}
	o.Thresholds = map[string]float64{}
	for _, t := range o.thresholds {
		name, text, ok := strings.Cut(t, "=")
		v, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil {
			return fmt.Errorf("--threshold %q: want name=number", t)
		}
		o.Thresholds[name] = v
	}
	return nil
}

func (o *exportOptions) write(w io.Writer) error {
	files, err := o.files()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if o.out == "" {
			if _, err := w.Write(files[name]); err != nil {
				return err //nolint:wrapcheck // the terminal is gone
			}
			continue
		}
		path := filepath.Join(o.out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("alerts export: %w", err)
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return fmt.Errorf("alerts export: %w", err)
		}
		fmt.Fprintln(w, path)
	}
	return nil
}

// files are what the format has, by name.
func (o *exportOptions) files() (map[string][]byte, error) {
	switch o.format {
	case formatOperator:
		b, err := alerts.PrometheusRule(o.Options, o.name, o.namespace, o.labels)
		return map[string][]byte{"prometheusrule.yaml": b}, err
	case formatRules:
		files, err := alerts.Export(o.Options)
		if err != nil || o.out != "" {
			return files, err
		}
		b, err := alerts.OneFile(o.Options)
		return map[string][]byte{"rules.yaml": b}, err
	}
	files, err := alerts.Export(o.Options)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for name, b := range files {
		out["rules/"+name] = b
	}
	for _, board := range dashboards.All() {
		b, err := board.JSON()
		if err != nil {
			return nil, err
		}
		out["dashboards/"+board.UID+".json"] = b
	}
	return out, nil
}

func (p *Program) alertsCheckCommand() *cobra.Command {
	var address, job string
	c := &cobra.Command{
		Use:   "check",
		Short: "Check whether the alerts can fire in an existing Prometheus; it only reads",
		Long: `Check whether the alerts can fire in an existing Prometheus. The command checks
the targets of the job, the rules, the metrics that the rules use, and the
Alertmanager. It only reads. To trigger every alert in a lab, use harness chaos
alert-drill.`,
		Example: `  harness alerts check --prometheus-url http://127.0.0.1:9090 --job gateway`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := alerting.Check(cmd.Context(), address, job)
			if err != nil {
				return err
			}
			failed := 0
			for _, f := range found {
				word := "ok"
				if !f.OK {
					failed++
					word = "FAILED"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-6s  %s: %s\n", word, f.Name, f.Detail)
			}
			if failed > 0 {
				return fmt.Errorf("%w: %d of %d", errAlertsCheck, failed, len(found))
			}
			return nil
		},
	}
	c.Flags().StringVar(&address, "prometheus-url", "http://127.0.0.1:9090", "`URL` of Prometheus")
	c.Flags().StringVar(&job, "job", alerts.Job, "`name` of the job by which it scrapes the gateways")
	return c
}
