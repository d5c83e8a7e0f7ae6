package readings

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestHeartbeatSeesAStall stops a process of its own, the test again, for a while.
func TestHeartbeatSeesAStall(t *testing.T) {
	if os.Getenv("GATELAB_HEARTBEAT") != "" {
		h := BeginHeartbeat()
		time.Sleep(300 * time.Millisecond) // until its thread beats
		os.Stdout.WriteString("begun\n")
		time.Sleep(1500 * time.Millisecond)
		p := h.End()
		os.Stdout.WriteString(strconv.FormatInt(p.Longest.Milliseconds(), 10) + "\n")
		os.Exit(0)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestHeartbeatSeesAStall$")
	cmd.Env = append(os.Environ(), "GATELAB_HEARTBEAT=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "begun" {
		t.Fatalf("it said %q", lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(600 * time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	lines.Scan()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	late, err := strconv.Atoi(lines.Text())
	if err != nil || late < 550 || late > 5000 {
		t.Errorf("a process that was stopped for 600 ms saw a beat that was late by %q ms", lines.Text())
	}
}
