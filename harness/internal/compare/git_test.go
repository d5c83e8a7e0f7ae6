package compare

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/gate"
)

// A base that the clone has not got is no exit status: the error says whether
// the clone is shallow, and what to fetch.
func TestMissingBaseSaysWhatToFetch(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs git")
	}
	dir := repository(t)
	// Two commits, of which a clone of depth 1 has one.
	first, err := git(t.Context(), dir, "test", seeGit, "rev-parse", "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := git(t.Context(), dir, "test", seeGit, "-c", "user.name=t", "-c", "user.email=t@example.org",
		"commit", "-q", "--allow-empty", "-m", "two"); err != nil {
		t.Fatal(err)
	}
	shallow := filepath.Join(t.TempDir(), "shallow")
	if _, err := git(t.Context(), dir, "test", seeGit, "clone", "-q", "--depth", "1", "file://"+dir, shallow); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, in, base string
		want           []string
	}{
		{
			name: "an older commit in a shallow clone", in: shallow, base: first,
			want: []string{"shallow", "git fetch --unshallow origin", "git fetch --depth=1 origin " + first},
		},
		{name: "a relative one", in: shallow, base: "HEAD~1", want: []string{"shallow", "git fetch --deepen=50 origin"}},
		{
			name: "a branch", in: shallow, base: "origin/release-9",
			want: []string{"shallow", "git fetch --depth=1 origin release-9:refs/remotes/origin/release-9"},
		},
		{
			name: "a name that a whole clone has not got", in: dir, base: "nosuch",
			want: []string{"no such commit", "git fetch --depth=1 origin nosuch", "git branch --all"},
		},
		{name: "what looks like an option", in: dir, base: "--help", want: []string{"no such commit"}},
		{
			name: "a folder that is no checkout", in: t.TempDir(), base: "HEAD",
			want: []string{"git rev-parse", "not a git repository", "git clone"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Chdir(row.in)
			b, err := build(t.Context(), GateOptions{Base: row.base})
			if err == nil {
				b.remove()
				t.Fatal("it was built")
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "exit status") || strings.Contains(err.Error(), "\n") {
				t.Errorf("want one line for a user, got %v", err)
			}
		})
	}
}

// A baseline that is missing, empty or without rounds cannot be compared with.
func TestBaselineMustHoldRounds(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"empty.json": "", "object.json": "{}", "half.json": `{"schema":`,
		"none.json": `{"schema":"` + gate.SchemaV1 + `","samples":[]}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := gate.Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v: want one that names the file", name, err)
		}
	}
	if _, err := gate.Read(filepath.Join(dir, "missing.json")); err == nil || !strings.Contains(err.Error(), gate.FileRecord) {
		t.Errorf("error %v: want it to say what is wanted", err)
	}
}
