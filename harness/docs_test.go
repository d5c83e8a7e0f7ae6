package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"mvdan.cc/sh/v3/syntax"

	"github.com/gatelab/gatelab/internal/testenv/gatewaytest"
)

// TestCommandsOfTheDocumentationExist parses every command in a code block of the
// documentation that calls make, the harness or the gateway: the target, the command
// and its flags must exist.
func TestCommandsOfTheDocumentationExist(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the gateway, and -short asks for tests without builds: run make test")
	}
	check := commandCheck{root: NewProgram().command(), gateway: gatewayHelp(t), targets: makeTargets(t)}
	var pages []string
	for _, pattern := range []string{"../README.md", "../CONTRIBUTING.md", "../docs/*.md", "../docs/*/*.md", "../deploy/*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	n := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range codeLines(string(b)) {
			for _, words := range commandsOf(line) {
				n++
				if err := check.command(words); err != nil {
					t.Errorf("%s: %s: %v", page, line, err)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d commands found: the test looks in the wrong place", n)
	}
}

// codeLines are the lines of a page's code blocks, with continued lines joined.
func codeLines(page string) (lines []string) {
	fenced := false
	for line := range strings.SplitSeq(strings.ReplaceAll(page, "\\\n", " "), "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if fenced || strings.HasPrefix(line, "    ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// commandsOf are the words of every simple command of a line of shell; nothing if the
// line is not one.
func commandsOf(line string) (all [][]string) {
	if strings.Contains(line, " -> ") { // the table of imports
		return nil
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		return nil
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		var words []string
		for _, w := range call.Args {
			words = append(words, text(w))
		}
		switch strings.TrimPrefix(words[0], "bin/") {
		case "make", "harness", "gateway":
			all = append(all, words)
		}
		return true
	})
	return all
}

// text is a word without its quotes; what the shell would expand stays.
func text(w *syntax.Word) string {
	var b bytes.Buffer
	for _, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			b.WriteString(text(&syntax.Word{Parts: p.Parts}))
		default:
			_ = syntax.NewPrinter().Print(&b, &syntax.Word{Parts: []syntax.WordPart{p}})
		}
	}
	return b.String()
}

// commandCheck knows what commands exist.
type commandCheck struct {
	root    *cobra.Command
	gateway string // the output of gateway --help, and of the commands that have a help of their own
	targets map[string]bool
}

func (c commandCheck) command(words []string) error {
	switch strings.TrimPrefix(words[0], "bin/") {
	case "make":
		return c.make(words[1:])
	case "gateway":
		return c.gatewayCommand(words[1:])
	}
	if len(words) == 1 || words[1] == "--help" || words[1] == "--version" {
		return nil
	}
	sub, rest, err := c.root.Find(words[1:])
	if err != nil {
		return err
	}
	if sub == c.root {
		return fmt.Errorf("no command %q", words[1])
	}
	return knownFlags(sub, rest)
}

func knownFlags(c *cobra.Command, words []string) error {
	c.InitDefaultHelpFlag()
	for _, w := range words {
		name, _, _ := strings.Cut(strings.TrimPrefix(w, "--"), "=")
		if strings.HasPrefix(w, "--") && name != "" && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil {
			return fmt.Errorf("%s has no flag %s", c.CommandPath(), w)
		}
	}
	return nil
}

func (c commandCheck) gatewayCommand(words []string) error {
	for i, w := range words {
		name, _, _ := strings.Cut(w, "=")
		known := strings.Contains(c.gateway, name)
		switch {
		case strings.HasPrefix(w, "--") && !known:
			return fmt.Errorf("gateway has no flag %s", w)
		case i == 0 && !strings.HasPrefix(w, "-") && !strings.Contains(c.gateway, "gateway "+w) && w != "run":
			return fmt.Errorf("gateway has no command %q", w)
		}
	}
	return nil
}

var variableRE = regexp.MustCompile(`^[A-Z_]+=`)

func (c commandCheck) make(words []string) error {
	for _, w := range words {
		if !variableRE.MatchString(w) && !c.targets[w] {
			return fmt.Errorf("make has no target %q", w)
		}
	}
	return nil
}

func gatewayHelp(t *testing.T) string {
	t.Helper()
	binary := gatewaytest.Build(t)
	var all strings.Builder
	for _, args := range [][]string{{"--help"}, {"config", "--help"}, {"config", "trial", "--help"}, {"token", "--help"}} {
		out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("gateway %q: %v\n%s", args, err, out)
		}
		all.Write(out)
	}
	return all.String()
}

func makeTargets(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(b), -1) {
		targets[m[1]] = true
	}
	return targets
}

func TestDocsCommand(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"list":         {args: []string{"docs"}, want: "getting-started"},
		"page":         {args: []string{"docs", "faults"}, want: "# Faults"},
		"search":       {args: []string{"docs", "--search", "acknowledged write"}, want: "tutorial-game-day#"},
		"unknown page": {args: []string{"docs", "fault"}, code: exitUnable, want: `did you mean "faults"?`},
		"no hit":       {args: []string{"docs", "--search", "xyzzy"}, code: exitUnable, want: "no section has"},
		"both":         {args: []string{"docs", "faults", "--search", "x"}, code: exitUnable, want: "not both"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			p := NewProgram()
			p.Stdout, p.Stderr = &out, &out
			if code := p.Run(t.Context(), c.args); code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("exit code %d, want %d; want %q in:\n%s", code, c.code, c.want, out.String())
			}
		})
	}
}

var inlineRE = regexp.MustCompile("`((?:make|(?:bin/)?(?:harness|gateway)) [^`\n]+)`")

// TestCommandsInSentencesExist does the same for commands between backquotes, also in the list of changes.
func TestCommandsInSentencesExist(t *testing.T) {
	check := commandCheck{root: NewProgram().command(), gateway: gatewayHelp(t), targets: makeTargets(t)}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md") {
		for _, span := range inlineRE.FindAllStringSubmatch(readFile(t, page), -1) {
			for _, words := range commandsOf(span[1]) {
				if words[1] == "COMMAND" { // any of them
					continue
				}
				n++
				if err := check.command(words); err != nil {
					t.Errorf("%s: %s: %v", page, span[1], err)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d commands found: the test looks in the wrong place", n)
	}
}
