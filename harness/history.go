package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/history"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// historyFlags are where the history is written, beside the terminal, and what is judged.
type historyFlags struct {
	output, html string
	failOnChange bool
	history.Options
}

func (p *Program) historyCommand() *cobra.Command {
	o := historyFlags{output: "table", Options: history.Options{Last: 200, Level: 0.05}}
	c := &cobra.Command{
		Use:   "history [FOLDER|FILE ...]",
		Short: "Show trends and change points over many runs",
		Long: `Read every result.json below the folders and show, for each stage and machine,
how its figures developed and where they changed. docs/history.md describes the
method.`,
		Example: `  harness history
  harness history reports/runs --scenario all --html history.html
  harness history ci-cache --fail-on-change`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{filepath.Join("reports", "runs")}
			}
			return tellHistory(cmd, args, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.output, "output", o.output, "`format` on standard output: table, json or markdown")
	f.StringVar(&o.html, "html", "", "`file` to write a page with plots to")
	f.StringVar(&o.Scenario, "scenario", "", "`name` of the scenario to show (default all)")
	f.IntVar(&o.Last, "last", o.Last, "maximum `number` of points of a series; the newest are used")
	f.Float64Var(&o.Level, "level", o.Level, "`probability` of a false change point in a series without a change")
	f.BoolVar(&o.failOnChange, "fail-on-change", false, "exit with 1 if the newest segment of a series is significantly worse")
	return c
}

func tellHistory(cmd *cobra.Command, args []string, o historyFlags) error {
	write, ok := map[string]func(io.Writer, *history.History) error{
		"table": history.Table, "json": history.JSON, "markdown": history.Markdown,
	}[o.output]
	if !ok {
		return fmt.Errorf("output: %q is not allowed: want table, json or markdown", o.output)
	}
	if err := o.Validate(); err != nil {
		return err
	}
	runs, unreadable, err := readRuns(args)
	if err != nil {
		return err
	}
	if names := scenarioNames(runs); o.Scenario != "" && !slices.Contains(names, o.Scenario) {
		return fmt.Errorf("scenario: %q is in no run: want %s", o.Scenario, strings.Join(names, ", "))
	}
	h := history.Of(runs, o.Options)
	h.Left.Unreadable = append(h.Left.Unreadable, unreadable...)
	if o.html != "" {
		var page bytes.Buffer
		if err := history.HTML(&page, h); err != nil {
			return err
		}
		if err := result.WriteFile(o.html, page.Bytes()); err != nil {
			return fmt.Errorf("html: %w", err)
		}
	}
	if err := write(cmd.OutOrStdout(), h); err != nil {
		return err
	}
	if worse := h.Worse(); o.failOnChange && len(worse) > 0 {
		return fmt.Errorf("%w: worse since the last change point: %s", errRegression, strings.Join(worse, ", "))
	}
	return nil
}

func scenarioNames(runs []*result.Result) (names []string) {
	for _, r := range runs {
		names = append(names, r.Scenario)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// readRuns reads the results that are named, and all below the folders that are named. A named file or folder that is not there
// is an error; a result that cannot be read is only told.
func readRuns(paths []string) (runs []*result.Result, unreadable []history.Unreadable, err error) {
	files, unreadable, err := resultFiles(paths)
	if err != nil {
		return nil, nil, err
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("no %s below %s: name the folder that has the runs", result.FileJSON, strings.Join(paths, ", "))
	}
	for _, file := range files {
		// Not result.Read: the histograms beside the file are not needed.
		b, err := os.ReadFile(file)
		var r *result.Result
		if err == nil {
			r, err = result.Parse(b)
		}
		if err != nil {
			unreadable = append(unreadable, history.Unreadable{Path: file, Problem: err.Error()})
			continue
		}
		runs = append(runs, r)
	}
	return runs, unreadable, nil
}

// resultFiles are the files in the order of their names, and the folders that may not be read.
func resultFiles(paths []string) (files []string, unreadable []history.Unreadable, err error) {
	for _, path := range paths {
		root, err := filepath.EvalSymlinks(path) // reports/latest is one
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil, fmt.Errorf("%s: no such file or folder: name a folder with runs, or a %s", path, result.FileJSON)
		case err != nil:
			return nil, nil, err
		}
		err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && name == root:
				return err
			case err != nil:
				unreadable = append(unreadable, history.Unreadable{Path: name, Problem: err.Error()})
			case !d.IsDir() && (d.Name() == result.FileJSON || name == root):
				files = append(files, name)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(files)
	return slices.Compact(files), unreadable, nil
}
