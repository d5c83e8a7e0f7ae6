package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/gateway/internal/admin"
	"github.com/gatelab/gatelab/gateway/internal/declarative"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// trialFlags are the flags of `gateway config trial start`.
type trialFlags struct {
	set *pflag.FlagSet

	name, hashOn, header, then string

	percent, maxErrors    float64
	replicas              []string
	maxP99, window, lasts time.Duration
	minRequests           int
}

func (f *trialFlags) add(fs *pflag.FlagSet) {
	f.set = fs
	fs.StringVar(&f.name, "name", "trial", "name of the trial")
	fs.Float64Var(&f.percent, "percent", 0, "percentage of the requests that take part")
	fs.StringVar(&f.hashOn, "hash-on", entity.HashOnNone, "how the percentage is selected: none (at random) or ip")
	fs.StringVar(&f.header, "header", "", `header field of the requests that take part, "Name: value"`)
	fs.StringSliceVar(&f.replicas, "replica", nil, "node_name of a replica whose requests all take part; can be repeated")
	fs.Float64Var(&f.maxErrors, "max-errors", 0, "drop the trial above this percentage of requests with status 500 or above")
	fs.DurationVar(&f.maxP99, "max-p99", 0, "drop the trial if more than 1% of the requests take longer")
	fs.DurationVar(&f.window, "window", 30*time.Second, "time over which the objectives are evaluated")
	fs.IntVar(&f.minRequests, "min-requests", 20, "minimum number of requests in the window for a decision")
	fs.DurationVar(&f.lasts, "lasts", time.Hour, "time after which the trial ends")
	fs.StringVar(&f.then, "then", entity.ThenDrop, "what happens at the end: drop, or promote if the objectives are met")
}

// record is what the Admin API would be sent.
func (f *trialFlags) record() (entity.Record, error) {
	for name, d := range map[string]time.Duration{"window": f.window, "lasts": f.lasts} {
		if d%time.Second != 0 {
			return nil, fmt.Errorf("--%s=%v: want whole seconds", name, d)
		}
	}
	r := entity.Record{
		"name": f.name, "percent": f.percent, "hash_on": f.hashOn, "window": int64(f.window / time.Second),
		"min_requests": int64(f.minRequests), "lasts": int64(f.lasts / time.Second), "then": f.then,
	}
	if f.header != "" {
		name, value, ok := strings.Cut(f.header, ":")
		if !ok {
			return nil, fmt.Errorf(`--header=%q: want "Name: value"`, f.header)
		}
		r["header"], r["header_value"] = strings.TrimSpace(name), strings.TrimSpace(value)
	}
	if len(f.replicas) > 0 {
		list := make([]any, len(f.replicas))
		for i, name := range f.replicas {
			list[i] = name
		}
		r["replicas"] = list
	}
	if f.set.Changed("max-errors") {
		r["max_errors"] = f.maxErrors
	}
	if f.set.Changed("max-p99") {
		r["max_p99"] = f.maxP99.Milliseconds()
	}
	return r, nil
}

// trialStart is the command that begins a trial of a file.
func trialStart(inv *invocation) error {
	r, err := inv.config.trial.record()
	if err != nil {
		return err
	}
	name, rules, err := admin.NewTrial(r, time.Now())
	if err != nil {
		return err
	}
	file, err := inv.readFile()
	if err != nil {
		return err
	}
	catalog := all.Plugins().Catalog()
	return inv.withStore(func(s *store.Postgres) error {
		var changes []declarative.Change
		_, err := s.StartTrial(inv.ctx, commandActor(), name, rules, admin.PlanTrial(catalog,
			func(have *declarative.Set) (*declarative.Set, error) {
				want, err := admin.FromFile(file, time.Now())(have)
				if err == nil {
					changes = declarative.Diff(have, want)
				}
				return want, err
			}))
		if err != nil {
			return inv.inFile(err)
		}
		inv.print(changes, "in the trial: ")
		fmt.Fprintf(inv.stdout, "trial %q is running: gateway config trial status\n", name)
		return nil
	})
}

// trialStatus is the command that prints the trials.
func trialStatus(inv *invocation) error {
	return inv.withStore(func(s *store.Postgres) error {
		list, err := s.Trials(inv.ctx)
		if err != nil {
			return err
		}
		tw := tabwriter.NewWriter(inv.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "TRIAL\tSTATE\tSTARTED\tENDED\tCHANGES\tREQUESTS\tERRORS\tSLOW\tREQUESTS OF STABLE\tERRORS OF STABLE\tREASON")
		for i := range list {
			t := &list[i]
			ended := "-"
			if t.EndedAt != nil {
				ended = t.EndedAt.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", t.Name, t.State, t.StartedAt.UTC().Format(time.RFC3339), ended,
				len(t.Changes), t.Tried.Requests, t.Tried.Errors, t.Tried.Slow, t.Stable.Requests, t.Stable.Errors, t.Reason)
		}
		return tw.Flush()
	})
}

// trialPromote is the command that makes the configuration of a trial the one that
// holds.
func trialPromote(inv *invocation) error {
	return inv.endTrial(store.TrialPromoted, (*store.Postgres).PromoteTrial)
}

// trialDrop is the command that ends a trial.
func trialDrop(inv *invocation) error {
	return inv.endTrial(store.TrialDropped, (*store.Postgres).DropTrial)
}

func (inv *invocation) endTrial(outcome string, end func(s *store.Postgres, ctx context.Context, key, actor, reason string) error) error {
	name := inv.config.argument
	return inv.withStore(func(s *store.Postgres) error {
		err := end(s, inv.ctx, name, commandActor(), "by hand")
		if errors.Is(err, store.ErrNoTrial) {
			return fmt.Errorf("no trial %q is running: gateway config trial status has all", name)
		}
		if err == nil {
			fmt.Fprintf(inv.stdout, "trial %q is %s\n", name, outcome)
		}
		return err
	})
}
