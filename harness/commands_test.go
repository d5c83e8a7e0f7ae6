package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command says what it is for in plain form, shows an example, and has texts for its flags.
func TestEveryCommandIsDescribed(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if c.Example == "" {
			t.Errorf("%s: no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			if !strings.Contains(line, c.Root().Name()+" ") {
				t.Errorf("%s: the example %q does not call it", c.CommandPath(), line)
			}
		}
		if c.Short == "" || c.Short[:1] != strings.ToUpper(c.Short[:1]) || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q: want a capital letter and no full stop", c.CommandPath(), c.Short)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 81 { // with its line break
				t.Errorf("%s: a line of %d columns: %s", c.CommandPath(), len(line)-1, line)
			}
		}
		_, flags, _ := strings.Cut(c.UsageString(), "\nFlags:\n")
		for line := range strings.Lines(flags) {
			if len(line) > helpWidth+1 && strings.Contains(strings.TrimSpace(line), " ") { // a single word cannot be wrapped
				t.Errorf("%s: a flag's line of %d columns: %s", c.CommandPath(), len(line)-1, line)
			}
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	root := NewProgram().command()
	check(root)
	for _, c := range root.Commands() {
		if c.Hidden == (c.GroupID != "") {
			t.Errorf("%s: group %q, hidden %v: want either", c.Name(), c.GroupID, c.Hidden)
		}
	}
}

// A token must not appear in a help text, which shows defaults.
func TestHelpShowsNoToken(t *testing.T) {
	env := map[string]string{"GRAFANA_TOKEN": "secret", "GRAFANA_URL": "http://grafana.example:3000"}
	got := runProgram(t, "", env, "dashboards", "--help")
	if got.code != exitOK || strings.Contains(got.stdout, "secret") || !strings.Contains(got.stdout, "grafana.example") {
		t.Errorf("exit code %d\n%s", got.code, got.stdout)
	}
}
