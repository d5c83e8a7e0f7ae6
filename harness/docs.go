package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/docs"
	"github.com/gatelab/gatelab/harness/internal/manual"
)

func (p *Program) docsCommand() *cobra.Command {
	var search string
	c := &cobra.Command{
		Use:   "docs [PAGE | WORDS]",
		Short: "Show or search the documentation",
		Long: `Without a page, list the pages. With the name of a page, print it as Markdown.
Several words are searched for.

harness serve shows the same pages in a browser, at /docs/.`,
		Example: `  harness docs
  harness docs getting-started
  harness docs --search "exit code"`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			m, err := manual.Open(docs.Files)
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			var names []string
			for _, page := range m.Pages() {
				names = append(names, page.Name+"\t"+page.Title)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := manual.Open(docs.Files)
			switch {
			case err != nil:
				return err
			case search != "" && len(args) > 0:
				return errors.New("docs: want a page or --search, not both")
			case search != "":
				return printHits(cmd.OutOrStdout(), m, search)
			case len(args) == 0:
				return printPages(cmd.OutOrStdout(), m)
			}
			if words := strings.Join(args, " "); strings.Contains(words, " ") { // no page's name has one
				return printHits(cmd.OutOrStdout(), m, words)
			}
			page, err := m.Page(args[0])
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), page.Source)
			return err //nolint:wrapcheck // the terminal is gone
		},
	}
	c.Flags().StringVar(&search, "search", "", "list the sections that contain all of these words")
	return c
}

func printPages(w io.Writer, m *manual.Manual) error {
	for _, page := range m.Pages() {
		if _, err := fmt.Fprintf(w, "%-34s %s\n", page.Name, page.Title); err != nil {
			return err
		}
	}
	return nil
}

func printHits(w io.Writer, m *manual.Manual, words string) error {
	hits := m.Search(words)
	if len(hits) == 0 {
		return fmt.Errorf("docs: no section has all of the words %q", words)
	}
	for _, h := range hits {
		name := h.Page.Name
		if h.Section.Anchor != "" {
			name += "#" + h.Section.Anchor
		}
		if _, err := fmt.Fprintf(w, "%s\n    %s\n", name, strings.TrimSpace(h.Excerpt)); err != nil {
			return err
		}
	}
	return nil
}
