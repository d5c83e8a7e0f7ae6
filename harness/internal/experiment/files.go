package experiment

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/internal/shipped"
	"github.com/gatelab/gatelab/internal/suggest"
)

// All is the name that stands for every experiment that ends by itself.
const All = "all"

// notExperiments are files in the folder of experiments that are no experiments: what they share, and the lab of the alert drill.
var notExperiments = []string{"base.yaml", "limits-base.yaml", "alert-drill.yaml"}

// Files are the scenario files that a name stands for: one file, an experiment in the folder by its name, or All of them. All leaves game
// days out, which take as long as their --duration says.
func Files(dir, name string) ([]string, error) {
	if strings.HasSuffix(name, ".yaml") {
		return []string{name}, nil
	}
	files, err := shipped.Glob(dir, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("find experiments: %w", err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return slices.Contains(notExperiments, filepath.Base(f)) })
	if name == All {
		files = slices.DeleteFunc(files, func(f string) bool { return strings.HasPrefix(filepath.Base(f), "game-day") })
		if len(files) == 0 {
			return nil, fmt.Errorf("no experiment in %s: name their folder with --scenarios", dir)
		}
		return files, nil
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), ".yaml")
	}
	if i := slices.Index(names, name); i >= 0 {
		return files[i : i+1], nil
	}
	return nil, fmt.Errorf("%s: %w", dir, suggest.Unknown("experiment", name, append(names, All)))
}
