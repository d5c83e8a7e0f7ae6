package docker

import "testing"

// Files of cgroups and of /proc, whose text is partly a program's own choice,
// are read or refused.
func FuzzKernelFiles(f *testing.F) {
	f.Add("usage_usec 12\nuser_usec 3\n", "1 (a) b) S 1 1 1 0 -1 4 1 2 3 4 1 2 3 4 20 0 1 0 5 6 7")
	f.Add("usage_usec -1\nusage_usec ", ")")
	f.Add("", "")
	f.Fuzz(func(_ *testing.T, field, stat string) {
		if v, ok := fieldOf(field, "usage_usec"); ok {
			(&files{}).number("f", v)
		}
		parseStart(stat)
	})
}
