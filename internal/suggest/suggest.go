// Package suggest finds the known name that a misspelt one was probably meant to be.
package suggest

import (
	"fmt"
	"slices"
	"strings"
)

// Unknown is the error for a name that is not one of the known names: it suggests the nearest one and lists all. what is the kind of
// thing that was named, such as "stage".
func Unknown(what, name string, known []string) error {
	list := "none"
	if len(known) > 0 {
		list = strings.Join(known, ", ")
	}
	return fmt.Errorf("unknown %s %q%s: want one of %s", what, name, Hint(name, known), list)
}

// Hint is ` (did you mean "multi"?)` for the nearest known name, to be put behind the unknown one; empty if no name is near.
func Hint(name string, known []string) string {
	if near := Nearest(name, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// Nearest is the known name that has the same words in another order, as "gateway-kill", or that
// differs from name in the fewest letters; empty if all differ in more than two, or in half of
// their letters.
func Nearest(name string, known []string) string {
	for _, k := range known {
		if k != name && words(k) == words(name) {
			return k
		}
	}
	best, found := 3, ""
	for _, k := range known {
		// A short word is within two letters of everything.
		if d := distance(name, k); d < best && d*2 < max(len(k), len(name)) {
			best, found = d, k
		}
	}
	return found
}

// words are the words of a name, sorted.
func words(name string) string {
	all := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == ' ' })
	slices.Sort(all)
	return strings.Join(all, "-")
}

// longest is the length in bytes from which words are not compared: no name is as long.
const longest = 64

// distance is the Levenshtein distance: the number of bytes to insert, delete or change.
func distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
