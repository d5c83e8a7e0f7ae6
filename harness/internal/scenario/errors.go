package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a file. Its text is
// "file:line:column: path: message"; the path is left out at the top level.
type Error struct {
	File         string
	Line, Column int
	Path         string // as in workload.requests[0].weight
	Message      string
	Within       string // where overlays add up to it: "stage multi, profile smoke"
}

func (e *Error) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		where += e.Path + ": "
	}
	if e.Within != "" {
		return where + e.Message + " (" + e.Within + ")"
	}
	return where + e.Message
}

// maxErrors keeps a file that is no scenario at all from filling the screen.
const maxErrors = 10

// Errors are all mistakes found in a file, in the file's order, one a line.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, 0, len(e))
	for i, one := range e {
		if i == maxErrors {
			lines = append(lines, fmt.Sprintf("and %d more", len(e)-i))
			break
		}
		lines = append(lines, one.Error())
	}
	return strings.Join(lines, "\n")
}

// add notes a mistake unless it is known already: a base is checked again with
// every stage above it.
func (e *Errors) add(one Error) {
	for _, known := range *e {
		other := *known
		other.Within = one.Within
		if other == one {
			return
		}
	}
	*e = append(*e, &one)
}

// orNil is the errors in the file's order, nil when there are none.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return e
}
