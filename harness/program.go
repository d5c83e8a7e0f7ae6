package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Program is one invocation of the harness: what it takes from the process that it runs in. Tests run it in their own process.
type Program struct {
	Stdout  io.Writer
	Stderr  io.Writer
	Version string
	Getenv  func(name string) string // a variable of the environment; empty if it is not set
	// Executable is the path of the harness's binary, which nodes of a lab run.
	Executable func() (string, error)

	args []string       // of Run
	ran  *cobra.Command // the command that they name
}

// NewProgram is a program with this process's streams and environment.
func NewProgram() *Program {
	return &Program{Stdout: os.Stdout, Stderr: os.Stderr, Version: version, Getenv: os.Getenv, Executable: os.Executable}
}

// Run carries out the command that the arguments name, until it ends or ctx is done, and returns the exit code.
func (p *Program) Run(ctx context.Context, args []string) int {
	p.args = args
	root := p.command()
	root.SetArgs(args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	ran, err := root.ExecuteContextC(ctx)
	p.ran = ran
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(p.Stderr, "harness: stopped")
		return exitStopped
	}
	fmt.Fprintln(p.Stderr, "harness:", err)
	code := exitCodeOf(err)
	if code == exitInvalid {
		fmt.Fprintln(p.Stderr, "harness: figures that are not valid must not be used: the lines with INVALID say why and what to do;"+
			" on a busy machine, end what else runs and measure again")
	}
	return code
}

const rootHelp = `A benchmark and operations lab around an API gateway.

The harness starts a topology (databases, a simulated API, gateway replicas, a
load balancer, a load worker) in containers or as processes, replays staged
optimizations, injects faults, compares builds, and writes reports.`

// Groups of commands in the root command's help.
const (
	groupMeasure   = "measure"
	groupBreak     = "break"
	groupCompare   = "compare"
	groupManual    = "manual"
	groupReports   = "reports"
	groupScenarios = "scenarios"
	groupMachine   = "machine"
)

func (p *Program) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "harness",
		Short: "A benchmark and operations lab around an API gateway",
		Long:  rootHelp,
		Example: `  harness run scenarios/ladder.yaml --stage cache --profile smoke
  harness chaos kill-gateway
  harness gate --base main`,
		Version:       p.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{id: groupMeasure, title: "Measure:", commands: []*cobra.Command{
			withExits(p.runCommand(), exitFailed, exitInvalid, exitObjectives),
			withExits(p.capacityCommand(), exitInvalid, exitObjectives),
			p.scaleCommand(),
		}},
		{id: groupBreak, title: "Break:", commands: []*cobra.Command{
			withExits(p.chaosCommand(), exitFailed, exitInvalid, exitObjectives), p.faultCommand(),
		}},
		{id: groupCompare, title: "Compare:", commands: []*cobra.Command{
			withExits(p.compareCommand(), exitInvalid), withExits(p.gateCommand(), exitFailed, exitInconclusive, exitObjectives),
		}},
		{id: groupManual, title: "Use by hand:", commands: []*cobra.Command{p.upCommand(), p.downCommand()}},
		{id: groupScenarios, title: "Scenarios:", commands: p.scenarioCommands()},
		{id: groupReports, title: "Reports:", commands: []*cobra.Command{
			p.reportCommand(), p.serveCommand(), p.exportCommand(), withExits(p.historyCommand(), exitFailed), p.costCommand(),
			p.dashboardsCommand(), p.alertsCommand(),
		}},
		{id: groupMachine, title: "Machine:", commands: []*cobra.Command{withExits(p.doctorCommand(), exitFailed), p.docsCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, c := range group.commands {
			c.GroupID = group.id
			root.AddCommand(c)
		}
	}
	flags := fmt.Sprintf(".FlagUsagesWrapped %d", helpWidth)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", flags))
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		help(c, args)
		writeExits(c.OutOrStdout(), c)
	})
	root.SetHelpCommandGroupID(groupMachine)
	root.SetCompletionCommandGroupID(groupMachine)
	for _, node := range []*cobra.Command{
		p.workerCommand(), p.originCommand(), p.linkCommand(), p.redisCommand(), p.balancerCommand(), p.receiverCommand(),
		withExits(p.readyCommand(), exitFailed), p.monitorCommand(), p.collectorCommand(),
	} {
		node.Hidden = true // nodes of a lab run them
		root.AddCommand(node)
	}
	addCompletions(root)
	return root
}
