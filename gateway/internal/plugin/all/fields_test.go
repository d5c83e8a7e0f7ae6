package all

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPluginsDeleteFieldsInOrder: the codec's own Del puts the last field in the place of
// the one that it deletes, and its Set leaves what else a client has sent by that name.
func TestPluginsDeleteFieldsInOrder(t *testing.T) {
	codecs := regexp.MustCompile(`\b(h|r|Header)\.(Del|DelBytes)\(|Request\.Header\.Set(Canonical|BytesV?)?\(`)
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			switch {
			case !codecs.MatchString(line):
			case filepath.Base(path) == "fieldorder.go":
				found++
			default:
				t.Errorf("%s:%d: want plugin.DeleteField, DeleteResponseField or SetField: %s", path, i+1, strings.TrimSpace(line))
			}
		}
		return nil
	})
	if err != nil || found < 2 {
		t.Errorf("%d places, %v", found, err)
	}
}
