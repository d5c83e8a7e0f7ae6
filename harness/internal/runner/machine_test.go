package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestANewGoFileIsAChange(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("package p\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir)) // the folder for tests may be in a checkout
	if hash, _ := commit(dir); hash != "" {
		t.Fatalf("a folder outside of any checkout is at commit %q", hash)
	}
	write("old.go")
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "old.go"},
		{"-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "first"},
	} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	for _, step := range []struct {
		name  string
		dirty bool
	}{{"", false}, {"notes.txt", false}, {"new.go", true}} {
		if step.name != "" {
			write(step.name)
		}
		if hash, dirty := commit(dir); len(hash) < 40 || dirty != step.dirty {
			t.Errorf("with %q: commit %q, dirty %v, want %v", step.name, hash, dirty, step.dirty)
		}
	}
}
