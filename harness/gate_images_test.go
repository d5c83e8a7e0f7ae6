package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const imagesExample = "../deploy/examples/gate-images"

// needsEngine skips the test where no container engine answers, or has no command line.
func needsEngine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a container engine and nginx, and -short asks for tests without servers: run make test")
	}
	if out, err := exec.CommandContext(t.Context(), "docker", "version").CombinedOutput(); err != nil {
		t.Skipf("not tested: the gate of two images: docker version: %v: %s", err, out)
	}
}

// staticHarness builds the harness as it is released: a container has no libraries for a test binary with the race detector.
func staticHarness(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "harness")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the harness: %v\n%s", err, out)
	}
	return path
}

// exampleImages builds the example's images with its own script and Dockerfile, as <repository>:plain and <repository>:slower, and removes
// them in the end. The slower one has so many expressions that a few short rounds on a busy machine tell it.
func exampleImages(t *testing.T) (repository string) {
	t.Helper()
	repository = fmt.Sprintf("gatelab-test/catalogue-%08x", rand.Uint32()) //nolint:gosec // a name
	dir := t.TempDir()
	run := func(program string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
		}
	}
	for _, name := range []string{"Dockerfile", "plain.conf", "slower.conf"} {
		b, err := os.ReadFile(filepath.Join(imagesExample, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "slower.conf" {
			b = []byte(muchSlower(t, string(b)))
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil { //nolint:gosec // the engine reads it
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, tag := range []string{"plain", "slower", "base"} {
			if out, err := exec.Command("docker", "rmi", repository+":"+tag).CombinedOutput(); err != nil { //nolint:noctx // the test's is over
				t.Logf("docker rmi: %v: %s", err, out)
			}
		}
	})
	run("sh", filepath.Join(imagesExample, "base.sh"), repository+":base")
	for _, config := range []string{"plain", "slower"} {
		run("docker", "build", "--build-arg", "BASE="+repository+":base", "--build-arg", "CONFIG="+config, "-t", repository+":"+config, dir)
	}
	return repository
}

// muchSlower repeats the map's expressions under other names.
func muchSlower(t *testing.T, conf string) string {
	t.Helper()
	var out strings.Builder
	repeated := 0
	for line := range strings.Lines(conf) {
		out.WriteString(line)
		if !strings.Contains(line, `"~*^/`) {
			continue
		}
		for i := range 20 {
			repeated++
			out.WriteString(strings.Replace(line, `/([0-9a-f-]+)/?$"`, fmt.Sprintf(`/%d/([0-9a-f-]+)/?$"`, i), 1))
		}
	}
	if repeated < 400 {
		t.Fatalf("slower.conf has few expressions: %d after repeating them", repeated)
	}
	return out.String()
}

// Two images of nginx that differ in their configuration are gated in containers: the slower one is a regression by its CPU, and an image
// compared with itself is none. What is wrong with an image is said in words that help.
func TestImagesOfAnyServiceAreGated(t *testing.T) {
	needsEngine(t)
	harness := staticHarness(t)
	repository := exampleImages(t)
	for _, row := range []struct {
		name, head string
		codes      []int
		said       []string
	}{
		{
			name: "no such image", head: "127.0.0.1:1/nothing:1@8080", codes: []int{exitUnable}, // a registry that refuses connections
			said: []string{"image of head: 127.0.0.1:1/nothing:1 is not among the engine's images", "docker load"},
		},
		{
			name: "no command", head: repository + ":base@8080", codes: []int{exitUnable},
			said: []string{"head cannot be measured", repository + ":base has neither ENTRYPOINT nor CMD"},
		},
		{
			name: "slower", head: repository + ":slower@8080", codes: []int{exitFailed},
			said: []string{"product cpu_us_per_request: beyond the margin", repository + ":slower (sha256:"},
		},
		{
			name: "equal", head: repository + ":plain@8080", codes: []int{exitOK, exitInconclusive},
			said: []string{"| product cpu_us_per_request |", repository + ":plain (sha256:"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.codes[0] != exitUnable { // the others are short, and the first one makes the harness's image
				t.Parallel() // most of the time they wait
			}
			got := runProgram(t, harness, nil, "gate", "--workload", "testdata/measure/images.yaml", "--max-rounds", "8",
				"--ready", "/health", "--reports", t.TempDir(), "--base-image", repository+":plain@8080", "--head-image", row.head)
			if !slices.Contains(row.codes, got.code) {
				t.Errorf("exit code %d, want one of %v\n%s\n%s", got.code, row.codes, got.stdout, got.stderr)
			}
			for _, want := range row.said {
				if !strings.Contains(got.stdout+got.stderr, want) {
					t.Errorf("no %q in\n%s\n%s", want, got.stdout, got.stderr)
				}
			}
		})
	}
}
