package shipped

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFilesAreFoundWithoutACheckout(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{
		"scenarios/ladder.yaml", "scenarios/chaos/../ladder.yaml", "./scenarios/chaos/base.yaml", "prices/own.yaml",
	} {
		if b, err := ReadFile(name); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	for _, name := range []string{"scenarios/nosuch.yaml", "mine.yaml", "../scenarios/ladder.yaml", "/scenarios/ladder.yaml", "scenarios"} {
		if _, err := ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want that it does not exist", name, err)
		}
	}
	found, err := Glob("scenarios/chaos", "*.yaml")
	if err != nil || !slices.Contains(found, "scenarios/chaos/kill-gateway.yaml") {
		t.Errorf("experiments: %q, %v", found, err)
	}
	if found, err := Glob("mine", "*.yaml"); err != nil || len(found) != 0 {
		t.Errorf("a folder that is not there: %q, %v", found, err)
	}
}

func TestAFileOfTheWorkingDirectoryComesFirst(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("scenarios/chaos", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("scenarios/ladder.yaml", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile("scenarios/ladder.yaml"); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.WriteFile("scenarios/chaos/own.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join("scenarios/chaos", "own.yaml")}
	if found, err := Glob("scenarios/chaos", "*.yaml"); err != nil || !slices.Equal(found, want) {
		t.Errorf("%q, %v", found, err)
	}
}
