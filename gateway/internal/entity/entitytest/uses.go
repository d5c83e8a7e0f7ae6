// Package entitytest checks, in tests, that every field of a schema does what
// it says.
package entitytest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Uses says of every field of some schemas which code does what it says, by the
// field's path. A use is a folder, relative to the folder of the test, and words
// of its sources, each of which must stand there as a whole:
//
//	"../proxy: s.Retries"
//	`.: "key_names" + .KeyNames`
//
// or a reason why there is no such code:
//
//	"refused"      the schema accepts one value, the one that is true
//	"kept"         it is for the clients of the Admin API alone
//	"elsewhere"    the record and its fields are checked by another test
//	"any: reason"  whatever it says is so
type Uses map[string]string

// Check wants a row for every field and the code for every row. Schemas are
// given by the prefix of their fields' paths.
func (u Uses) Check(t *testing.T, schemas map[string][]entity.Field, rowOf func(path string) string) {
	t.Helper()
	c := checker{t: t, uses: u, rowOf: rowOf, code: map[string]string{}, used: map[string]bool{}}
	for prefix, fields := range schemas {
		c.fields(prefix, fields)
	}
	for _, row := range slices.Sorted(maps.Keys(u)) {
		if !c.used[row] {
			t.Errorf("there is a row for %s, which no schema has", row)
		}
	}
}

type checker struct {
	t     *testing.T
	uses  Uses
	rowOf func(path string) string // nil: the path itself
	code  map[string]string        // sources by folder
	used  map[string]bool          // rows
}

func (c *checker) fields(prefix string, fields []entity.Field) {
	c.t.Helper()
	for i := range fields {
		f := &fields[i]
		path := prefix + "." + f.Name
		if !c.field(path, f) {
			continue
		}
		c.fields(path, f.Fields)
		if f.Elements != nil {
			c.fields(path, f.Elements.Fields)
		}
	}
}

// field checks one field; false says that those within it are not to be
// checked.
func (c *checker) field(path string, f *entity.Field) (deeper bool) {
	c.t.Helper()
	row := path
	if f.Means != nil { // another spelling of a field of the same schema
		prefix, _, _ := strings.Cut(path, ".")
		row = prefix + "." + f.Means[0]
	}
	if c.rowOf != nil {
		row = c.rowOf(row)
	}
	use, ok := c.uses[row]
	if !ok {
		c.t.Errorf("%s has no row: say which code does what it says, or let the schema refuse it", path)
		return true
	}
	c.used[row] = true
	place, words, isCode := strings.Cut(use, ": ")
	switch {
	case use == "elsewhere":
		return false
	case place == "any" || use == "kept":
	case use == "refused":
		if f.Only == nil {
			c.t.Errorf("%s: the schema accepts any value", path)
		}
	case !isCode:
		c.t.Errorf("%s: row %q is of no kind", path, use)
	default:
		c.mentioned(path, place, words)
	}
	return true
}

func (c *checker) mentioned(path, place, words string) {
	c.t.Helper()
	if _, read := c.code[place]; !read {
		c.code[place] = sources(c.t, place)
	}
	for w := range strings.SplitSeq(words, " + ") {
		if !mentions(c.code[place], w) {
			c.t.Errorf("%s: no source in %s mentions %s", path, place, w)
		}
	}
}

// mentions looks for a word that is not a part of a longer one.
func mentions(text, word string) bool {
	for rest := text; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		before, after := "", rest[i+len(word):]
		if i > 0 {
			before = rest[i-1 : i]
		}
		if !partOfWord(before, word[:1]) && (after == "" || !partOfWord(after[:1], word[len(word)-1:])) {
			return true
		}
		rest = after
	}
}

var letter = regexp.MustCompile(`^\w$`)

func partOfWord(next, edge string) bool { return letter.MatchString(next) && letter.MatchString(edge) }

// sources is the text of a folder's Go files, without tests and comments.
func sources(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a source: %w", err)
		}
		for line := range strings.Lines(string(body)) {
			line, _, _ = strings.Cut(line, "//")
			text.WriteString(line + "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}
