package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Every URL that `harness up` prints opens a page, and the calls that it prints work when they are pasted at once.
func TestWhatUpPrintsWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, Redis, nginx, Prometheus and Alertmanager, and -short asks for tests without servers: run make test")
	}
	for _, port := range []string{"8000", "8001", "9000", "9090", "9093"} {
		if c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
			c.Close()
			t.Skipf("port %s is in use, as by a stack that is up: make down", port)
		}
	}
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	harness, tmp := filepath.Join(dir, "harness"), openFolder(t)
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	defer func() {
		cmd := exec.Command(harness, "down") // the test's context has ended
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	}()
	said := run(harness, "up", "../scenarios/ladder.yaml", "--runtime", "host")
	var calls []string
	for line := range strings.Lines(said) {
		if call := strings.TrimSpace(line); strings.HasPrefix(call, "curl ") {
			const told = "curl -sS --max-time 10 -o /dev/null -w '%{http_code} %header{x-gateway-node}\\n'"
			calls = append(calls, strings.Replace(call, "curl -i", told, 1))
			continue
		}
		for _, url := range regexp.MustCompile(`http://[^\s]+`).FindAllString(line, -1) {
			res, err := http.Get(url) //nolint:noctx // bounded by the test
			if err != nil {
				t.Errorf("%s: %v", url, err)
				continue
			}
			res.Body.Close()
			if strings.HasPrefix(line, "  proxy (balancer) ") && res.StatusCode == http.StatusNotFound {
				continue // of the gateway: there is no route yet
			}
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s answers %d, in the line %q", url, res.StatusCode, strings.TrimSpace(line))
			}
		}
	}
	if !strings.Contains(said, "Watch its targets and alerts:\n  http://127.0.0.1:8091\n") {
		t.Errorf("nothing is said of targets and alerts:\n%s", said)
	}
	got := run("sh", "-c", strings.Join(calls, "\n"))
	// The first replica takes the changes, and the balancer sends the last call to any. It is the others that may not have them yet.
	if !regexp.MustCompile(`^201 \n201 \n(200 gateway-[123]|404 gateway-[23])\n$`).MatchString(got) {
		t.Errorf("the calls answer %q:\n%s", got, strings.Join(calls, "\n"))
	}
}
