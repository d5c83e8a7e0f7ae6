package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

const usage = `gateway: an API gateway with Kong's Admin API.

Usage:
  gateway [run] [flags]     serve, until SIGTERM or SIGINT
  gateway check [flags]     validate the settings and show each with its origin;
                            --postgres also asks whether Postgres answers
  gateway health [flags]    ask the running gateway of these settings whether it is
                            ready; exit 0 or 1
  gateway migrate [flags]   bring the database's schema up to date, and end
  gateway token new NAME    make a token of the Admin API, and its line for
                            admin_tokens_file; --role read-only or read-write
  gateway version           print the version, and end
  gateway --help            this text

Every setting is a flag or a variable; a flag wins. An unknown flag or
GATEWAY_* variable is an error. Variables of Kong that mean the same are read,
see the end; the gateway's own win, and others of Kong's are named in the log.

Settings:
`

// writeUsage prints the help with every setting of the table.
func writeUsage(w io.Writer, table []*setting) {
	fmt.Fprint(w, usage)
	for _, s := range table {
		fmt.Fprintf(w, "\n  --%s, %s\n", s.flag(), s.variable())
		for line := range wrap(s.about, 70) {
			fmt.Fprintf(w, "      %s\n", line)
		}
		def := s.def
		if def == "" {
			def = "(none)"
		}
		fmt.Fprintf(w, "      default %s; %s\n", def, s.allowed)
	}
	writeKong(w, table)
}

// writeKong prints which of Kong's variables are read, and what they set.
func writeKong(w io.Writer, table []*setting) {
	fmt.Fprint(w, "\nVariables of Kong:\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, k := range kongVariables {
		if slices.ContainsFunc(table, func(s *setting) bool { return s.name == k.setting }) {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", k.name, k.setting, k.want)
		}
	}
	for _, name := range kongPostgresVariables {
		fmt.Fprintf(t, "  %s\tpg_dsn\ttogether with the others of Postgres\n", name)
	}
	_ = t.Flush()
}

// printSettings prints every setting with its value and where that came from.
func printSettings(w io.Writer, table []*setting) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SETTING\tVALUE\tORIGIN")
	for _, s := range table {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.name, s.show(), s.origin)
	}
	_ = t.Flush()
}

// wrap yields text in lines of at most width, broken between words.
func wrap(text string, width int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		line := ""
		for word := range strings.FieldsSeq(text) {
			if line != "" && len(line)+1+len(word) > width {
				if !yield(line) {
					return
				}
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		if line != "" {
			yield(line)
		}
	}
}
