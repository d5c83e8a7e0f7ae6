package readings

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
	if hash, _ := Commit(dir); hash != "" {
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
		name  string // of a file that is added; empty: none
		dirty bool
	}{
		{name: "", dirty: false},
		{name: "notes.txt", dirty: false},
		{name: "new.go", dirty: true},
	} {
		if step.name != "" {
			write(step.name)
		}
		if hash, dirty := Commit(dir); len(hash) < 40 || dirty != step.dirty {
			t.Errorf("with %q: commit %q, dirty %v, want %v", step.name, hash, dirty, step.dirty)
		}
	}
}

// The figures come from the machine that the test runs on: only their form is known.
func TestDescribeNamesTheMachine(t *testing.T) {
	got := Describe()
	for _, key := range []string{"os", "kernel", "cores", "memory", "go", "arch"} {
		if got[key] == "" {
			t.Errorf("%s is missing: %v", key, got)
		}
	}
	for key, value := range got {
		if value == "" {
			t.Errorf("%s is empty: want it left out", key)
		}
	}
}

func TestDescribeReadsTheMemoryFromProc(t *testing.T) {
	t.Setenv("HOST_PROC", procWith(t, map[string]string{"meminfo": "MemTotal:       16384000 kB\nMemFree:  1024 kB\n"}))
	if got := Describe()["memory"]; got != "16000 MiB" {
		t.Errorf("memory %q, want 16000 MiB", got)
	}
	t.Setenv("HOST_PROC", procWith(t, nil))
	if got, told := Describe()["memory"]; told {
		t.Errorf("memory %q without /proc/meminfo", got)
	}
}
