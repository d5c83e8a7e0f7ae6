package scenario

import "slices"

// UnusedMeanings are paths of meanings that no key has.
func UnusedMeanings() (unused []string) {
	used := map[string]bool{}
	var walk func(f *Field)
	walk = func(f *Field) {
		used[commonPath(f.Path)] = true
		for _, one := range f.Fields {
			walk(one)
		}
		if f.Each != nil {
			walk(f.Each)
		}
	}
	walk(Describe())
	for path := range meanings {
		if !used[path] {
			unused = append(unused, path)
		}
	}
	slices.Sort(unused)
	return unused
}
