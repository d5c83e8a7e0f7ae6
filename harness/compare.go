package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/contest"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/report"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

func (p *Program) compareCommand() *cobra.Command {
	var (
		o        contest.Options
		with     []string
		policies []string
		list     bool
		own      ownFlags
	)
	c := &cobra.Command{
		Use:   "compare [POLICIES.yaml]",
		Short: "Compare gateways under the same policies: parity, CPU, latency, throughput",
		Long: `Compare gateways under the same policies: parity, CPU, latency, throughput.

All gateways run in one lab, on the same cores, and are configured for the same
policy. Before any load, probes check the behaviour of each gateway. A gateway
that behaves differently is excluded from the row of this policy, and the report
shows the difference. The gateways are then measured in alternation. Ratios are
relative to the first gateway.`,
		Example: `  harness compare --with nginx,haproxy
  harness compare --with nginx --policy plain,cached --profile smoke
  harness compare --reference nginx --with haproxy
  harness compare my-policies.yaml --reference old --command 'old=./v1 --listen {listen}' --command 'new=./v2 --listen {listen}'
  harness compare --list`,
		Args: cobra.MaximumNArgs(1),
	}
	f := c.Flags()
	f.StringSliceVar(&with, "with", nil, "`names` of the gateways to compare with the reference, separated by commas")
	reference := f.String("reference", "gatelab", "`name` of the gateway that the others are compared with")
	f.StringSliceVar(&policies, "policy", nil, "`names` of the policies (default all of the profile)")
	f.BoolVar(&list, "list", false, "list the gateways and the policies, and exit")
	own.add(f, &o)
	gatewayFlag(f, &o.Gateway)
	observers := p.sessionFlags(c, &o.Config, policy.FullProfile)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		set, err := policySet(args)
		if err != nil {
			return err
		}
		if list {
			return printContenders(cmd.OutOrStdout(), set)
		}
		if o.Systems, err = contenders(&o, *reference, with, own); err != nil {
			return err
		}
		o.Runtime = ownRuntime(o.Runtime, len(own.images) > 0, len(own.commands) > 0)
		if o.Set, err = set.Choose(o.Profile, policies); err != nil {
			return err
		}
		closed, err := observers.open(cmd, &o.Config)
		if err != nil {
			return err
		}
		defer closed()
		out, err := contest.Run(cmd.Context(), o)
		return observers.finish(cmd, out, err, func(w io.Writer) error { return printMatrix(w, out) })
	}
	return c
}

// contenders are the gateways that the flags name, the reference first.
func contenders(o *contest.Options, reference string, with []string, own ownFlags) ([]*sut.System, error) {
	named, err := own.systems(o.Runtime)
	switch {
	case err != nil:
		return nil, err
	case len(with)+len(named) == 0:
		return nil, errors.New("compare: --with names no gateway: harness compare --list shows those that there are")
	case o.Rate < 0 || o.Connections < 0:
		return nil, errors.New("compare: --rate and --connections: want 0 or more")
	}
	return sut.Find(append([]string{reference}, with...), named...)
}

// policySet is the file of policies that the arguments name.
func policySet(args []string) (*policy.Set, error) {
	if len(args) == 1 {
		return policy.Read(args[0])
	}
	return policy.Read("scenarios/compare.yaml")
}

// printContenders lists what can be compared.
func printContenders(w io.Writer, set *policy.Set) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"gateway", "tested", "what it is"})
	for _, s := range sut.Systems() {
		tested := "no"
		if s.Tested {
			tested = "yes"
		}
		t.AppendRow(table.Row{s.Name, tested, s.About})
	}
	fmt.Fprintln(w, t.Render())
	t = table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"policy", "published as", "behaviour"})
	for i := range set.Policies {
		p := &set.Policies[i]
		t.AppendRow(table.Row{p.Name, p.Published, p.Summary})
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

// printMatrix prints the matrix, and where the report is.
func printMatrix(w io.Writer, out *session.Outcome) error {
	if err := report.MatrixMarkdown(w, out.Result.Matrix); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\nreport: %s\n", filepath.Join(out.Dir, "report.html")); err != nil {
		return err
	}
	if line := report.MatrixTime(out.Result.Matrix); line != "" {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	for _, line := range report.MatrixAdvice(out.Result.Matrix, filepath.Join(out.Dir, "logs")) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
