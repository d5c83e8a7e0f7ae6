package host

import "testing"

// /proc/PID/stat holds a program's name, which is the program's own choice.
func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (a) b) S 1 1 1 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7\n"))
	f.Add([]byte(")"))
	f.Add([]byte("1 (x) R 1 1 1 0 -1 4 1 2 3 4 9223372036854775807 9223372036854775807 1 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseStat(b); ok && s.cpu < 0 {
			t.Fatalf("%s of CPU", s.cpu)
		}
		kibibytes(string(b))
	})
}
