package main

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/harness/internal/drill"
	"github.com/gatelab/gatelab/harness/internal/experiment"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stack"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/workload"
)

// completer finds what an argument or a flag's value may be. Errors complete nothing: a shell has no place to show them.
type completer = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// complete lets the shell complete a flag's values.
func complete(cmd *cobra.Command, flag string, values ...string) {
	completeWith(cmd, flag, func(*cobra.Command, []string) []string { return values })
}

// completeWith is complete with values that depend on what was typed before. A list's values are separated by commas.
func completeWith(cmd *cobra.Command, flag string, values func(*cobra.Command, []string) []string) {
	list := strings.HasSuffix(cmd.Flags().Lookup(flag).Value.Type(), "Slice")
	register(cmd, flag, func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		all := values(cmd, args)
		if i := strings.LastIndexByte(typed, ','); list && i >= 0 {
			given := strings.Split(typed[:i], ",")
			all = slices.DeleteFunc(slices.Clone(all), func(v string) bool {
				name, _, _ := strings.Cut(v, "\t") // without its description
				return slices.Contains(given, name)
			})
			for j := range all {
				all[j] = typed[:i+1] + all[j]
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	})
}

func register(cmd *cobra.Command, flag string, c completer) {
	if err := cmd.RegisterFlagCompletionFunc(flag, c); err != nil {
		panic(err) // the flag does not exist, or has one already
	}
}

// filesOf completes files with one of the extensions; folders that of folders alone.
func filesOf(extensions ...string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func nothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// first completes the first argument, and no further one.
func first(c completer) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nothing(cmd, args, typed)
		}
		return c(cmd, args, typed)
	}
}

// argumentCompleters are by command path. Commands that are not here have no arguments, or complete any file.
func argumentCompleters() map[string]completer {
	yaml := filesOf("yaml", "yml")
	return map[string]completer{
		"harness run": first(yaml), "harness capacity": first(yaml), "harness scale redis": first(yaml),
		"harness up": first(yaml), "harness gate": first(yaml),
		"harness compare": first(yaml), "harness scenario check": yaml, "harness scenario new": nothing,
		"harness chaos": first(experiments), "harness fault inject": nodeAndFault,
		"harness report": first(folders), "harness chaos overview": folders, "harness gate replay": folders, "harness serve": nothing,
		"harness export": first(folders),
	}
}

// flagCompleters are by flag, the same in every command.
func flagCompleters() map[string]func(*cobra.Command, []string) []string {
	return map[string]func(*cobra.Command, []string) []string{
		"stage":     stages,
		"profile":   profiles,
		"runtime":   func(*cobra.Command, []string) []string { return session.Runtimes().Names() },
		"with":      func(*cobra.Command, []string) []string { return systems() },
		"reference": func(*cobra.Command, []string) []string { return systems() },
		"policy":    func(_ *cobra.Command, args []string) []string { return policies(args) },
		"alert":     func(*cobra.Command, []string) []string { return alertNames() },
	}
}

// fileCompleters are flags whose values are files or folders of a kind.
func fileCompleters() map[string]completer {
	return map[string]completer{
		"reports": folders, "scenarios": folders, "run": folders, "prices": filesOf("yaml"), "against": filesOf("yaml"),
		"workload": filesOf("yaml", "yml"), "baseline": filesOf("json"), "html": filesOf("html"), "patch": filesOf("patch", "diff"),
	}
}

// addCompletions completes the arguments and the flags of a command and of those below it.
func addCompletions(c *cobra.Command) {
	if complete, ok := argumentCompleters()[c.CommandPath()]; ok {
		c.ValidArgsFunction = complete
	}
	for flag, values := range flagCompleters() {
		if c.Flags().Lookup(flag) != nil {
			completeWith(c, flag, values)
		}
	}
	for flag, files := range fileCompleters() {
		if c.Flags().Lookup(flag) != nil {
			register(c, flag, files)
		}
	}
	if c.CommandPath() == "harness workload import" {
		complete(c, "format", workload.Formats()...)
	}
	for _, sub := range c.Commands() {
		addCompletions(sub)
	}
}

// scenarioOf is the scenario that a command line names; nil if it names none that can be read.
func scenarioOf(cmd *cobra.Command, args []string) *scenario.Scenario {
	file := "scenarios/gate.yaml"
	switch {
	case len(args) > 0:
		file = args[0]
	case cmd.Name() != "gate":
		file = "scenarios/ladder.yaml"
	}
	if cmd.Name() == "chaos" && len(args) > 0 {
		files, err := experiment.Files(cmd.Flag("scenarios").Value.String(), args[0])
		if err != nil {
			return nil
		}
		file = files[0]
	}
	if cmd.Name() == drill.Name {
		file = filepath.Join(cmd.Flag("scenarios").Value.String(), drill.File)
	}
	s, err := scenario.Load(file)
	if err != nil {
		return nil
	}
	return s
}

func stages(cmd *cobra.Command, args []string) []string {
	s := scenarioOf(cmd, args)
	if s == nil {
		return nil
	}
	out := slices.Clone(s.StageNames)
	if cmd.Name() != "up" && len(out) > 1 {
		out = append(out, scenario.All)
	}
	return out
}

func profiles(cmd *cobra.Command, args []string) []string {
	if cmd.Name() == "compare" {
		set, err := policySet(args)
		if err != nil {
			return nil
		}
		return append([]string{policy.FullProfile}, slices.Sorted(maps.Keys(set.Profiles))...)
	}
	if s := scenarioOf(cmd, args); s != nil {
		return s.Profiles
	}
	return nil
}

// experiments are the names of those in the folder, and files.
func experiments(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if strings.ContainsAny(typed, "/.") {
		return []string{"yaml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	dir := cmd.Flag("scenarios").Value.String()
	files, _ := experiment.Files(dir, experiment.All)
	more, _ := filepath.Glob(filepath.Join(dir, "game-day*.yaml")) // which All leaves out
	var out []string
	for _, f := range append(files, more...) {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".yaml"))
	}
	return append(out, experiment.All), cobra.ShellCompDirectiveNoFileComp
}

// attachWithin is the time limit to ask for the nodes of a running lab: a shell waits for it.
const attachWithin = 2 * time.Second

// nodeAndFault are the nodes of the lab that up started, then the kinds of fault.
func nodeAndFault(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if kinds := kindsOutside(cmd); kinds != nil && len(args) == 0 {
		return kinds, cobra.ShellCompDirectiveNoFileComp
	}
	switch len(args) {
	case 0:
		ctx, cancel := context.WithTimeout(cmd.Context(), attachWithin)
		defer cancel()
		nodes, err := stack.Attach(ctx)
		if err != nil {
			return nothing(cmd, args, typed)
		}
		var names []string
		for _, n := range nodes {
			names = append(names, n.Name())
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	case 1:
		return fault.Kinds(), cobra.ShellCompDirectiveNoFileComp
	}
	return nothing(cmd, args, typed)
}

// kindsOutside are the kinds of fault of what the lab did not start; nil if a node of the lab is to be broken.
func kindsOutside(cmd *cobra.Command) []string {
	switch f := cmd.Flags(); {
	case f.Changed("container"):
		return fault.NodeKinds()
	case f.Changed("proxy"):
		return fault.LinkKinds()
	}
	return nil
}

func systems() []string {
	var out []string
	for _, s := range sut.Systems() {
		out = append(out, s.Name+"\t"+s.About)
	}
	return out
}

func policies(args []string) []string {
	set, err := policySet(args)
	if err != nil {
		return nil
	}
	return set.Names()
}

func alertNames() []string {
	var out []string
	for _, p := range alerting.Plans() {
		out = append(out, p.Alert)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
