package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/internal/shipped"
	"github.com/gatelab/gatelab/internal/suggest"
)

// scenarioCommands write and check scenarios.
func (p *Program) scenarioCommands() []*cobra.Command {
	return []*cobra.Command{p.scenarioCommand(), p.schemaCommand(), p.workloadCommand()}
}

// parent adds commands to one that does nothing by itself: it shows its help, and suggests a command for one that it does not have.
func parent(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	var names []string
	for _, one := range commands {
		names = append(names, one.Name())
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return suggest.Unknown("command", args[0], names)
	}
	c.AddCommand(commands...)
	return c
}

func (p *Program) scenarioCommand() *cobra.Command {
	return parent(&cobra.Command{
		Use:   "scenario",
		Short: "Create and check scenario files",
		Example: `  harness scenario new mine > mine.yaml
  harness scenario check mine.yaml`,
	}, p.scenarioCheckCommand(), p.scenarioNewCommand())
}

func (p *Program) scenarioNewCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "new [NAME]",
		Short:   "Write a commented scenario that can be run to standard output",
		Example: `  harness scenario new mine > mine.yaml`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "mine"
			if len(args) > 0 {
				name = args[0]
			}
			text := scenario.Starter(name)
			if _, err := scenario.Parse(name+".yaml", text); err != nil { // a name that is not allowed
				return err
			}
			_, err := cmd.OutOrStdout().Write(text)
			return err
		},
	}
}

func (p *Program) scenarioCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Check scenarios and comparisons, and report every mistake",
		Long: `Check scenarios and comparisons. Every mistake is reported with its position,
its value and the allowed values. Every stage of a scenario is checked with
every profile. A file with policies is a comparison, for harness compare and for
harness gate --workload. The exit code is 0 if all files are valid, and
otherwise 2. docs/scenarios.md lists all keys of scenarios.
docs/compare.md describes comparisons.`,
		Example: `  harness scenario check mine.yaml
  harness scenario check scenarios/chaos/*.yaml scenarios/compare.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wrong := 0
			for _, file := range args {
				said, err := p.checkFile(file)
				if err != nil {
					wrong++
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					continue
				}
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), said); err != nil {
					return err
				}
			}
			if wrong > 0 {
				return fmt.Errorf("%d of %d files are not valid; docs/scenarios.md and docs/compare.md say what is allowed", wrong, len(args))
			}
			return nil
		},
	}
}

// checkFile says in a line what a valid file has.
func (p *Program) checkFile(file string) (string, error) {
	b, err := shipped.ReadFile(file)
	if err == nil && policy.IsSet(b) {
		return p.checkComparison(file, b)
	}
	s, err := scenario.Load(file) // which says why a file cannot be read
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: a scenario with the stages %s and %s", s.File, strings.Join(s.StageNames, ", "), profilesOf(s.Profiles)), nil
}

func (p *Program) checkComparison(file string, b []byte) (string, error) {
	s, err := policy.Parse(file, b)
	if err != nil {
		return "", err
	}
	flags := p.originCommand().Flags()
	var known []string
	flags.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	for name := range s.Origin {
		if flags.Lookup(name) == nil {
			return "", fmt.Errorf("%s: origin: %w", file, suggest.Unknown("flag of harness origin", name, known))
		}
	}
	return fmt.Sprintf("%s: a comparison with %d policies (%s) and %s", file, len(s.Policies), strings.Join(s.Names(), ", "),
		profilesOf(slices.Sorted(maps.Keys(s.Profiles)))), nil
}

func profilesOf(names []string) string {
	if len(names) == 0 {
		return "no profiles"
	}
	return "the profiles " + strings.Join(names, ", ")
}

func (p *Program) schemaCommand() *cobra.Command {
	names := []string{"result", "scenario"}
	return &cobra.Command{
		Use:   "schema " + strings.Join(names, "|"),
		Short: "Print the JSON Schema of scenario files, or of result.json",
		Example: `  harness schema scenario > scenario.schema.json
  harness schema result`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			var b []byte
			switch args[0] {
			case "result":
				b = result.Schema()
			case "scenario":
				b, err = scenario.Schema()
			default:
				err = suggest.Unknown("schema", args[0], names)
			}
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(b)
			return err
		},
	}
}
