// Package doctor examines a machine: whether it has what a lab needs, how fast and how steady it is, how the load generator compares with
// wrk, and which conclusions about a gateway can be drawn from measurements taken here.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Level says how serious a finding is.
type Level string

// The levels of findings.
const (
	OK   Level = "ok"
	Warn Level = "warn" // works, with a loss
	Fail Level = "fail" // does not work
)

// Finding is the outcome of one check, with a remedy unless it is OK.
type Finding struct {
	Check  string
	Level  Level
	Found  string
	Remedy string
}

// Options say how to examine.
type Options struct {
	Harness string // path of the harness's binary, which is started as a load worker
	Quick   bool   // look only, measure nothing
}

// ErrChecks says that the examination is complete, and that checks failed.
var ErrChecks = errors.New("checks failed")

// lookWithin is the time limit for checks that measure nothing.
const lookWithin = 30 * time.Second

// Run examines this machine and writes what it finds to w. Nothing is changed. The error is ErrChecks if checks failed.
func Run(ctx context.Context, w io.Writer, o Options) error {
	looking, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	failed := write(w, look(looking))
	if o.Quick {
		return failed
	}
	m, err := measure(ctx, w, o.Harness)
	if err != nil {
		return errors.Join(failed, fmt.Errorf("measure the machine: %w", err))
	}
	failed = errors.Join(failed, write(w, m.findings()))
	fmt.Fprint(w, "\nWhat can be concluded here, and what cannot:\n")
	for _, line := range m.conclusions() {
		fmt.Fprintf(w, "  %s\n", line)
	}
	return failed
}

// write prints findings. The error is ErrChecks if some of them are failures.
func write(w io.Writer, all []Finding) error {
	failures := 0
	for _, f := range all {
		fmt.Fprintf(w, "%-5s %-14s %s\n", f.Level, f.Check, f.Found)
		if f.Level != OK && f.Remedy != "" {
			fmt.Fprintf(w, "      %-14s -> %s\n", "", f.Remedy)
		}
		if f.Level == Fail {
			failures++
		}
	}
	if failures > 0 {
		return fmt.Errorf("%d of %d %w", failures, len(all), ErrChecks)
	}
	return nil
}
