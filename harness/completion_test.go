package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// completions are what a shell is offered for a command line, and the directive that ends the answer.
func completions(t *testing.T, line ...string) (offered []string, directive string) {
	t.Helper()
	got := runProgram(t, "", nil, append([]string{cobra.ShellCompNoDescRequestCmd}, line...)...)
	if got.code != exitOK {
		t.Fatalf("%q: exit code %d\n%s", line, got.code, got.stderr)
	}
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	return lines[:len(lines)-1], lines[len(lines)-1]
}

// Directives of cobra, as shells are given them.
const (
	offersFiles   = ":0"
	offersNoFiles = ":4"
	offersTypes   = ":8"
	offersFolders = ":16"
)

func TestCompletions(t *testing.T) {
	t.Chdir("..") // the scenarios are there
	for _, row := range []struct {
		name string
		line []string
		want []string // some of what is offered
		not  []string
		ends string
	}{
		{name: "commands", line: []string{"ga"}, want: []string{"gate"}, not: []string{"run"}, ends: offersNoFiles},
		{name: "scenario files", line: []string{"run", ""}, want: []string{"yaml"}, ends: offersTypes},
		{name: "no second file", line: []string{"run", "a.yaml", ""}, ends: offersNoFiles},
		{
			name: "stages", line: []string{"run", "scenarios/ladder.yaml", "--stage", ""}, want: []string{"baseline", "cache", "multi", "all"},
			ends: offersNoFiles,
		},
		{
			name: "further stages", line: []string{"run", "scenarios/ladder.yaml", "--stage", "cache,"}, want: []string{"cache,multi"},
			not: []string{"cache,cache"}, ends: offersNoFiles,
		},
		{
			name: "stages of a capacity search", line: []string{"capacity", "scenarios/ladder.yaml", "--stage", "mu"}, want: []string{"multi"},
			ends: offersNoFiles,
		},
		{
			name: "one stage to start", line: []string{"up", "scenarios/ladder.yaml", "--stage", ""}, want: []string{"multi"},
			not: []string{"all"}, ends: offersNoFiles,
		},
		{name: "profiles", line: []string{"run", "scenarios/ladder.yaml", "--profile", "s"}, want: []string{"smoke"}, ends: offersNoFiles},
		{
			name: "profiles of an experiment", line: []string{"chaos", "kill-gateway", "--profile", ""}, want: []string{"smoke"},
			ends: offersNoFiles,
		},
		{name: "profiles of a gate", line: []string{"gate", "--profile", ""}, want: []string{"smoke"}, ends: offersNoFiles},
		{name: "profiles of policies", line: []string{"compare", "--profile", ""}, want: []string{"full", "smoke"}, ends: offersNoFiles},
		{name: "runtimes", line: []string{"run", "a.yaml", "--runtime", ""}, want: []string{"docker", "host", "kubernetes"}, ends: offersNoFiles},
		{
			name: "experiments", line: []string{"chaos", ""}, want: []string{"kill-gateway", "game-day", "all", "alert-drill"},
			not: []string{"base"}, ends: offersNoFiles,
		},
		{name: "a file of an experiment", line: []string{"chaos", "./"}, want: []string{"yaml"}, ends: offersTypes},
		{
			name: "alerts", line: []string{"chaos", "alert-drill", "--alert", "GatewayReplica"}, want: []string{"GatewayReplicaDown"},
			ends: offersNoFiles,
		},
		{name: "faults", line: []string{"fault", "inject", "gateway-2", ""}, want: []string{"kill", "pause", "latency"}, ends: offersNoFiles},
		{name: "gateways", line: []string{"compare", "--with", "ngi"}, want: []string{"nginx"}, ends: offersNoFiles},
		{name: "policies", line: []string{"compare", "--policy", ""}, want: []string{"plain", "cached"}, ends: offersNoFiles},
		{name: "formats of a result", line: []string{"gate", "--output", ""}, want: []string{"text", "json"}, ends: offersNoFiles},
		{name: "what to fail for", line: []string{"run", "--fail-on", ""}, want: []string{"slo"}, ends: offersNoFiles},
		{name: "formats of traffic", line: []string{"workload", "import", "--format", ""}, want: []string{"har", "vegeta"}, ends: offersNoFiles},
		{name: "traffic", line: []string{"workload", "import", ""}, ends: offersFiles},
		{name: "runs", line: []string{"report", ""}, ends: offersFolders},
		{name: "the folder of reports", line: []string{"run", "a.yaml", "--reports", ""}, ends: offersFolders},
		{name: "schemas", line: []string{"schema", ""}, want: []string{"result", "scenario"}, ends: offersNoFiles},
	} {
		t.Run(row.name, func(t *testing.T) {
			offered, ends := completions(t, row.line...)
			for _, want := range row.want {
				if !slices.Contains(offered, want) {
					t.Errorf("%q is not offered: %q", want, offered)
				}
			}
			for _, not := range row.not {
				if slices.Contains(offered, not) {
					t.Errorf("%q is offered: %q", not, offered)
				}
			}
			if ends != row.ends {
				t.Errorf("directive %s, want %s", ends, row.ends)
			}
		})
	}
}
