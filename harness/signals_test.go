package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// interruption is a command that a signal stops, and what it must keep.
type interruption struct {
	name string
	args []string
	when string // what it says when the signal is sent
	kept func(t *testing.T, r *result.Result)
}

var stops = []interruption{
	{
		name: "gate", args: []string{"gate", "testdata/measure/gate.yaml", "--max-rounds", "8", "--profiles=false"}, when: "round 1 of 8: ",
		kept: func(t *testing.T, r *result.Result) {
			if c := r.Comparison; c == nil || c.Verdict != "inconclusive" || len(r.Stages) != 3 {
				t.Errorf("comparison %+v of %d stages", c, len(r.Stages))
			}
		},
	},
	{
		name: "capacity", when: "only-1 open: ",
		args: []string{
			"capacity", "testdata/measure/tiny.yaml", "--stage", "only", "--replicas", "1,2,3", "--closed", "4",
			"--from", "100", "--to", "5000", "--window", "1s", "--slo", "p99<2s,errors<50%",
		},
		kept: func(t *testing.T, r *result.Result) {
			if c := r.Capacity; len(c) != 1 || len(c[0].Points) == 0 || c[0].QPS != nil {
				t.Errorf("capacity %+v", c)
			}
		},
	},
	{
		name: "scale", when: "watchers are told: ", args: []string{"scale", "postgres", "--watchers", "2,3", "--changes", "50"},
		kept: func(t *testing.T, r *result.Result) {
			if s := r.Scale; s == nil || len(s.Fanout) == 0 || len(s.Fanout) == 4 {
				t.Errorf("scale %+v", s)
			}
		},
	},
	{
		name: "drill", when: ": fired after ",
		args: []string{
			"chaos", "alert-drill", "--scenarios", "testdata/measure", "--alert", "ConfigurationRejected,GatewayReplicaDown,RedisMemoryHigh",
		},
		kept: func(t *testing.T, r *result.Result) {
			if d := r.Drill; d == nil || d.Passed || len(d.Alerts) == 0 {
				t.Errorf("drill %+v", d)
			}
		},
	},
}

// The real program, stopped by a signal that arrives twice, ends in order: it keeps what it measured, marked incomplete, and removes the
// lab.
func TestASignalThatArrivesTwiceIsOneOrderlyEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, Redis and nginx, and -short asks for tests without servers: run make test")
	}
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range stops {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel() // most of the time they wait
			reports, tmp := t.TempDir(), openFolder(t)
			out, code := runUntil(t, filepath.Join(dir, "harness"), tmp, row.when,
				append(slices.Clone(row.args), "--runtime", "host", "--reports", reports)...)
			if code != exitStopped {
				t.Errorf("exit code %d, want %d\n%s", code, exitStopped, out)
			}
			for _, want := range []string{"lab removed", "incomplete: what was measured until then is in " + reports, "harness: stopped"} {
				if !strings.Contains(out, want) {
					t.Errorf("nothing is said of %q:\n%s", want, out)
				}
			}
			r, err := result.Read(filepath.Join(onlyRun(t, reports), result.FileJSON))
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if r.Valid || !slices.ContainsFunc(r.InvalidReasons, func(why string) bool { return strings.HasPrefix(why, "incomplete: ") }) {
				t.Errorf("valid %v, because of %q", r.Valid, r.InvalidReasons)
			}
			row.kept(t, r)
			if left, err := filepath.Glob(filepath.Join(tmp, "gatelab-*", "*", "owner.json")); err != nil || len(left) > 0 {
				t.Errorf("labs are left: %v, %v", left, err)
			}
		})
	}
}

// openFolder is a folder for temporary files that servers of other users may pass through.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gatelab-signals-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // passing through is what it is for
		t.Fatal(err)
	}
	return dir
}

// runUntil runs a program, sends it SIGTERM twice as soon as it says something, and returns its output and exit code.
func runUntil(t *testing.T, program, tmp, says string, args ...string) (output string, code int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var late atomic.Bool
	limit := time.AfterFunc(4*time.Minute, func() {
		late.Store(true)
		_ = cmd.Process.Kill()
	})
	defer limit.Stop()
	var all bytes.Buffer
	sent := false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if !sent && strings.Contains(lines.Text(), says) {
			sent = true
			_ = cmd.Process.Signal(syscall.SIGTERM)
			time.Sleep(100 * time.Millisecond) // by now the first one has been dealt with
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	_ = cmd.Wait()
	if late.Load() || !sent {
		t.Fatalf("it did not say %q, or did not end:\n%s", says, all.String())
	}
	return all.String(), cmd.ProcessState.ExitCode()
}
