package settings

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteHelp prints every setting, and which of Kong's variables are read.
func (t Table) WriteHelp(w io.Writer) {
	for _, s := range t {
		fmt.Fprintf(w, "\n  --%s, %s\n", s.flag(), s.variable())
		for line := range wrap(s.help, 70) {
			fmt.Fprintf(w, "      %s\n", line)
		}
		def := s.def
		if def == "" {
			def = "(none)"
		}
		fmt.Fprintf(w, "      default %s; %s\n", def, s.allowed)
	}
	t.writeKong(w)
}

// writeKong prints which of Kong's variables are read, and what they set.
func (t Table) writeKong(w io.Writer) {
	fmt.Fprint(w, "\nVariables of Kong:\n\n")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, k := range kongVariables {
		if t.row(k.setting) != nil {
			fmt.Fprintf(tw, "  %s\t%s\t%s\n", k.name, k.setting, k.want)
		}
	}
	for _, name := range kongPostgresVariables {
		fmt.Fprintf(tw, "  %s\tpg_dsn\ttogether with the other variables of Postgres\n", name)
	}
	for _, m := range kongModes {
		fmt.Fprintf(tw, "  %s\t(none)\tonly %s\n", m.name, strings.Join(m.allowed, " or "))
	}
	_ = tw.Flush()
}

// WriteValues prints every setting with its value and its origin.
func (t Table) WriteValues(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SETTING\tVALUE\tORIGIN")
	for _, s := range t {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", s.name, s.show(), s.origin)
	}
	_ = tw.Flush()
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
