package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
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
		Short: "Write and check files of scenarios",
		Example: `  harness scenario new mine > mine.yaml
  harness scenario check mine.yaml`,
	}, p.scenarioCheckCommand(), p.scenarioNewCommand())
}

func (p *Program) scenarioNewCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "new [NAME]",
		Short:   "Write a commented scenario that runs as it is, to standard output",
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
		Short: "Check scenarios: every mistake with its place, its value and what is allowed",
		Long: `Check scenarios: every mistake with its place, its value and what is allowed.
Every stage is checked under every profile. The exit code is 0 if all files are
valid, else 2. docs/scenarios.md lists all keys.`,
		Example: `  harness scenario check mine.yaml
  harness scenario check scenarios/chaos/*.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wrong := 0
			for _, file := range args {
				s, err := scenario.Load(file)
				if err != nil {
					wrong++
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					continue
				}
				if err := describeScenario(cmd.OutOrStdout(), s); err != nil {
					return err
				}
			}
			if wrong > 0 {
				return fmt.Errorf("%d of %d files are not valid scenarios; docs/scenarios.md lists what is allowed", wrong, len(args))
			}
			return nil
		},
	}
}

// describeScenario says in a line what a valid file has.
func describeScenario(w io.Writer, s *scenario.Scenario) error {
	profiles := "no profiles"
	if len(s.Profiles) > 0 {
		profiles = "the profiles " + strings.Join(s.Profiles, ", ")
	}
	_, err := fmt.Fprintf(w, "%s: a scenario with the stages %s and %s\n", s.File, strings.Join(s.StageNames, ", "), profiles)
	return err
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
