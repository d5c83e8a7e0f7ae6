package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Two builds of a service that is not ours are gated: here nginx, with the real program. A head that behaves differently is a regression,
// before anything is measured; equal ones are never called one.
func TestBuildsOfAnyServiceAreGated(t *testing.T) {
	if testing.Short() {
		t.Skip("needs nginx, and -short asks for tests without servers: run make test")
	}
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Fatal("nginx is missing: run make deps")
	}
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/measure/nginx-service.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, head string
		codes      []int
		said       string
	}{
		{name: "a head that differs", head: "2", codes: []int{exitFailed}, said: `header X-Build is "2", want "1"`},
		{name: "equal builds", head: "1", codes: []int{exitOK, exitInconclusive}, said: "documents cpu_us_per_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel() // most of the time they wait
			reports := t.TempDir()
			got := runProgram(t, filepath.Join(dir, "harness"), nil, "gate", "--workload", "testdata/measure/service.yaml", "--max-rounds", "9",
				"--runtime", "host", "--reports", reports, "--base-command", script+" {listen} {origin} 1",
				"--head-command", script+" {listen} {origin} "+row.head)
			ok := false
			for _, code := range row.codes {
				ok = ok || got.code == code
			}
			if !ok || !strings.Contains(got.stdout, row.said) {
				t.Errorf("exit code %d, want one of %v and %q\n%s\n%s", got.code, row.codes, row.said, got.stdout, got.stderr)
			}
			onlyRun(t, reports)
		})
	}
}

func TestServiceFlagsAreChecked(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{args: []string{"--base-command", "x"}, want: "a service needs --workload"},
		{
			args: []string{"--workload", "testdata/measure/service.yaml", "--base-command", "/bin/true"},
			want: "want either --head-command or --head-image",
		},
		{
			args: []string{"--workload", "testdata/measure/service.yaml", "--base-command", "/bin/true", "--head-image", "a@80"},
			want: "a command and an image cannot be compared",
		},
	} {
		dir, err := binaries()
		if err != nil {
			t.Fatal(err)
		}
		got := runProgram(t, filepath.Join(dir, "harness"), nil, append([]string{"gate", "--reports", t.TempDir()}, row.args...)...)
		if got.code != exitUnable || !strings.Contains(got.stderr, row.want) {
			t.Errorf("%v: exit code %d, %s, want %q", row.args, got.code, got.stderr, row.want)
		}
	}
}
