// Package gatewaytest starts the real gateway for tests of what surrounds it, and relays that can cut it off from its stores.
package gatewaytest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/testenv"
)

// Process is a gateway that can be ended and started again at the same
// addresses.
type Process struct {
	Proxy, Admin, Status string // host:port
	binary               string
	env                  []string
	cmd                  *exec.Cmd
	log                  output
}

// Build builds the gateway and returns its path.
func Build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "gateway")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/gatelab/gatelab/gateway")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the gateway: %v\n%s", err, out)
	}
	return binary
}

// Start starts a gateway and waits until it is ready. It ends with t.
func Start(t *testing.T, binary, dsn string) *Process {
	t.Helper()
	g := &Process{Proxy: testenv.FreeAddr(t), Admin: testenv.FreeAddr(t), Status: testenv.FreeAddr(t), binary: binary}
	g.env = append(os.Environ(), "GATEWAY_PROXY_LISTEN="+g.Proxy, "GATEWAY_ADMIN_LISTEN="+g.Admin, "GATEWAY_STATUS_LISTEN="+g.Status,
		"GATEWAY_PG_DSN="+dsn, "GATEWAY_DRAIN_TIMEOUT=1s", "GATEWAY_ACCESS_LOG=off",
		// A Redis that is gone is told at once. Its 100 ms would pass on a busy
		// machine, too, and requests without a limit are an alert.
		"GATEWAY_REDIS_TIMEOUT=5s", "GATEWAY_REDIS_DIAL_TIMEOUT=5s")
	t.Cleanup(func() {
		g.End()
		if t.Failed() {
			t.Logf("gateway %s:\n%s", g.Proxy, g.log.String())
		}
	})
	if err := g.Restart(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, func() error { return OK(http.Get("http://" + g.Status + "/health/ready")) })
	return g
}

// Restart starts a process that was ended, or that never ran.
func (g *Process) Restart() error {
	g.cmd = exec.Command(g.binary)
	g.cmd.Env = g.env
	g.cmd.Stderr = &g.log
	g.cmd.Stdout = &g.log
	return g.cmd.Start()
}

// Ready waits until it takes requests, for at most a minute.
func (g *Process) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := OK(http.Get("http://" + g.Status + "/health/ready"))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// End ends the process without a drain, as a crash would.
func (g *Process) End() {
	if g.cmd != nil && g.cmd.Process != nil {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
		g.cmd = nil
	}
}

// OK tells whether a request was answered with a status below 300.
func OK(res *http.Response, err error) error {
	if err != nil {
		return err
	}
	text, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s: status %d: %s", res.Request.URL.Path, res.StatusCode, text)
	}
	return nil
}

// output is written by a process and read by a test.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *output) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *output) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Relay passes TCP on, until it is cut.
type Relay struct {
	Addr     string // to connect to
	to       string
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	passing  sync.WaitGroup
}

// NewRelay passes TCP on to an address. It ends with t.
func NewRelay(t *testing.T, to string) *Relay {
	t.Helper()
	r := &Relay{Addr: testenv.FreeAddr(t), to: to, conns: map[net.Conn]bool{}}
	if err := r.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Cut(context.Background()) })
	return r
}

// Restore takes connections again.
func (r *Relay) Restore(context.Context) error {
	l, err := net.Listen("tcp", r.Addr)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	r.passing.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.DialTimeout("tcp", r.to, 5*time.Second)
			if err != nil {
				in.Close()
				continue
			}
			r.pass(in, out)
		}
	})
	return nil
}

func (r *Relay) pass(in, out net.Conn) {
	r.mu.Lock()
	r.conns[in], r.conns[out] = true, true
	r.mu.Unlock()
	oneWay := func(from, to net.Conn) {
		_, _ = io.Copy(to, from)
		from.Close()
		to.Close()
		r.mu.Lock()
		delete(r.conns, from)
		r.mu.Unlock()
	}
	r.passing.Go(func() { oneWay(in, out) })
	r.passing.Go(func() { oneWay(out, in) })
}

// Cut closes what passes and refuses what comes.
func (r *Relay) Cut(context.Context) error {
	r.mu.Lock()
	_ = r.listener.Close()
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.passing.Wait()
	return nil
}

// Eventually tries until it works, for at most a minute.
func Eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
