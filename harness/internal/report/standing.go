package report

import "fmt"

// standing says whether figures may be used, as a badge shows it.
type standing struct {
	Class string // of the style sheet: valid, warning or INVALID
	Text  string
}

func standingOf(valid bool, warnings int) standing {
	switch {
	case !valid:
		return standing{"INVALID", "INVALID"}
	case warnings == 0:
		return standing{"valid", "valid"}
	case warnings == 1:
		return standing{"warning", "valid with 1 warning"}
	}
	return standing{"warning", fmt.Sprintf("valid with %d warnings", warnings)}
}
