package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// script runs one of release's scripts in folder, and gives its output.
func script(t *testing.T, folder, name string, args ...string) (string, error) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("release", name))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), path, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "RELEASE_URL=https://example.com/releases/download")
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// sums writes a SHA256SUMS with an archive of each platform, whose checksum is made from its name, and a package.
func sums(t *testing.T, platforms ...string) string {
	t.Helper()
	text := "0000  gatelab-gateway_1.2.3_amd64.deb\n"
	for _, p := range platforms {
		text += fmt.Sprintf("sum-of-%s  gatelab_1.2.3_%s.tar.gz\n", p, p)
	}
	path := filepath.Join(t.TempDir(), "SHA256SUMS")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	opens = regexp.MustCompile(`^(class .*|def .*|.* do)$`)
	empty = regexp.MustCompile(` do\n\s*end`)
)

// blocks are the platforms' lines of a formula, each with the blocks around it: "on_linux on_intel".
func blocks(t *testing.T, formula string) map[string]string {
	t.Helper()
	var around []string
	found := map[string]string{}
	for line := range strings.Lines(formula) {
		line = strings.TrimSpace(line)
		switch {
		case line == "end" && len(around) == 0:
			t.Fatalf("an end without a beginning:\n%s", formula)
		case line == "end":
			around = around[:len(around)-1]
		case opens.MatchString(line):
			around = append(around, strings.TrimSuffix(line, " do"))
		case len(around) > 1 && (strings.HasPrefix(line, "url ") || strings.HasPrefix(line, "sha256 ")):
			found[line] = strings.Join(around[1:], " ")
		}
	}
	if len(around) > 0 {
		t.Errorf("not closed: %q\n%s", around, formula)
	}
	return found
}

// A formula has a block for each archive of the release, and no other.
func TestTheFormulaHasTheReleasesPlatforms(t *testing.T) {
	places := map[string]string{
		"darwin_arm64": "on_macos on_arm", "darwin_amd64": "on_macos on_intel",
		"linux_arm64": "on_linux on_arm", "linux_amd64": "on_linux on_intel",
	}
	for _, platforms := range [][]string{
		{"linux_amd64"}, {"darwin_arm64"}, {"linux_arm64", "darwin_arm64"}, {"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"},
	} {
		formula, err := script(t, ".", "formula.sh", "1.2.3", sums(t, platforms...))
		if err != nil {
			t.Fatalf("%v: %v\n%s", platforms, err, formula)
		}
		found := blocks(t, formula)
		if len(found) != 2*len(platforms) || empty.MatchString(formula) {
			t.Errorf("%v: want a url and a checksum for each, and no empty block:\n%s", platforms, formula)
		}
		for _, p := range platforms {
			url := `url "https://example.com/releases/download/v1.2.3/gatelab_1.2.3_` + p + `.tar.gz"`
			sum := `sha256 "sum-of-` + p + `"`
			if found[url] != places[p] || found[sum] != places[p] {
				t.Errorf("%s: url in %q, checksum in %q, want %q:\n%s", p, found[url], found[sum], places[p], formula)
			}
		}
	}
}

func TestAFormulaNeedsAnArchive(t *testing.T) {
	if out, err := script(t, ".", "formula.sh", "1.2.3", sums(t)); err == nil || !strings.Contains(out, "no archive of version 1.2.3") {
		t.Errorf("%v: %s", err, out)
	}
}

// Packages and images need a semantic version, which sorts after that of the tag before it.
func TestVersionsAreSemantic(t *testing.T) {
	for given, want := range map[string]string{
		"1.2.3": "1.2.3", "v1.2.3": "1.2.3", "1.3.0-rc.1": "1.3.0-rc.1", "1.2.3+build.7": "1.2.3+build.7", "1.2": "", "a91cdf8": "", "1.2.03": "",
		"1.2.3_4": "",
	} {
		got, err := script(t, ".", "version.sh", given)
		if want == "" && err == nil || want != "" && got != want {
			t.Errorf("%s: %q, %v, want %q", given, got, err, want)
		}
	}
}

func TestVersionsComeFromGit(t *testing.T) {
	folder := t.TempDir()
	git := func(args ...string) {
		command := exec.CommandContext(t.Context(), "git", args...)
		command.Dir = folder
		command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	want := func(pattern string) {
		t.Helper()
		got, err := script(t, folder, "version.sh")
		if err != nil || !regexp.MustCompile("^"+pattern+"$").MatchString(got) {
			t.Errorf("%q, %v, want %s", got, err, pattern)
		}
	}
	file := filepath.Join(folder, "file")
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "first")
	want(`0\.0\.0\+0\.g[0-9a-f]+`)
	git("tag", "nightly")
	want(`0\.0\.0\+0\.g[0-9a-f]+`)
	git("tag", "v1.2.3")
	want(`1\.2\.3`)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	git("add", "file")
	want(`1\.2\.3\+0\.g[0-9a-f]+\.dirty`)
	git("commit", "-q", "-m", "second")
	want(`1\.2\.3\+1\.g[0-9a-f]+`)
}
