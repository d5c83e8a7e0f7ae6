package docker

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// buildFor builds a small program of a module of its own for a platform; it returns the module's folder and the binary.
func buildFor(t *testing.T, p platform) (dir, binary string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module tiny\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() { println(\"tiny\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary = filepath.Join(dir, "tiny")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir, binary
}

// A binary of macOS is built again for the engine, which is Linux there too.
func TestBinaryOfAnotherPlatformIsBuiltForTheEngine(t *testing.T) {
	dir, binary := buildFor(t, platform{"darwin", "arm64"})
	built, info, err := binaryPlatform(binary)
	if err != nil || built.String() != "darwin/arm64" || info.Path != "tiny" {
		t.Fatalf("%s, %+v, %v", built, info, err)
	}
	if err := checkStatic(binary); err == nil {
		t.Error("it would run in a container")
	}
	content, err := crossBuild(t.Context(), dir, "gateway", info.Path, platform{"linux", runtime.GOARCH})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elf.NewFile(bytes.NewReader(content)); err != nil {
		t.Errorf("no Linux binary: %v", err)
	}
	if runtime.GOOS == "linux" {
		path := filepath.Join(dir, "again")
		if err := os.WriteFile(path, content, 0o700); err != nil { //nolint:gosec // to be run
			t.Fatal(err)
		}
		if out, err := exec.Command(path).CombinedOutput(); err != nil || string(out) != "tiny\n" {
			t.Errorf("%q, %v", out, err)
		}
	}
}

func TestCrossBuildSaysWhatToDo(t *testing.T) {
	for _, row := range []struct{ name, program, want string }{
		{name: "outside the checkout", program: "gateway", want: "GOOS=linux GOARCH=arm64 go build github.com/gatelab/gatelab/gateway"},
		{name: "a build of the gate", program: "gateway@base", want: "--runtime host"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := crossBuild(t.Context(), t.TempDir(), row.program, "github.com/gatelab/gatelab/gateway", platform{"linux", "arm64"})
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
}

func TestGoArch(t *testing.T) {
	for kernel, want := range map[string]string{"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64"} {
		if got := goArch(kernel); got != want {
			t.Errorf("%s is %s, want %s", kernel, got, want)
		}
	}
}
