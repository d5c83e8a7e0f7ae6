package runner

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

	"gatelab/internal/testenv"
)

// gatewayProcess is a gateway that can be ended and started again at the same
// addresses.
type gatewayProcess struct {
	proxy, admin, status string
	binary               string
	env                  []string
	cmd                  *exec.Cmd
	log                  lockedLog
}

func buildGateway(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "gateway")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "gatelab/gateway").CombinedOutput(); err != nil {
		t.Fatalf("build the gateway: %v\n%s", err, out)
	}
	return binary
}

// newGateway starts a gateway and waits until it is ready. It ends with t.
func newGateway(t *testing.T, binary, dsn string) *gatewayProcess {
	t.Helper()
	g := &gatewayProcess{proxy: freeAddr(t), admin: freeAddr(t), status: freeAddr(t), binary: binary}
	g.env = append(os.Environ(), "GATEWAY_PROXY_LISTEN="+g.proxy, "GATEWAY_ADMIN_LISTEN="+g.admin, "GATEWAY_STATUS_LISTEN="+g.status,
		"GATEWAY_PG_DSN="+dsn, "GATEWAY_DRAIN_TIMEOUT=1s", "GATEWAY_ACCESS_LOG=off",
		// A Redis that is gone is told at once. Its 100 ms would pass on a busy
		// machine, too, and requests without a limit are an alert.
		"GATEWAY_REDIS_TIMEOUT=5s", "GATEWAY_REDIS_DIAL_TIMEOUT=5s")
	t.Cleanup(func() {
		g.end()
		if t.Failed() {
			t.Logf("gateway %s:\n%s", g.proxy, g.log.String())
		}
	})
	if err := g.start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return ok(http.Get("http://" + g.status + "/health/ready")) })
	return g
}

func (g *gatewayProcess) start() error {
	g.cmd = exec.Command(g.binary)
	g.cmd.Env, g.cmd.Stderr, g.cmd.Stdout = g.env, &g.log, &g.log
	return g.cmd.Start()
}

// ready waits until it takes requests, for at most a minute.
func (g *gatewayProcess) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := ok(http.Get("http://" + g.status + "/health/ready"))
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

// end ends the process without a drain, as a crash would.
func (g *gatewayProcess) end() {
	if g.cmd != nil && g.cmd.Process != nil {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
		g.cmd = nil
	}
}

// ok tells whether a request was answered with a status below 300.
func ok(res *http.Response, err error) error {
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

func freeAddr(t *testing.T) string {
	t.Helper()
	return testenv.FreeAddr(t)
}

// lockedLog is written by a process and read by a test.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// relay passes TCP on, until it is cut.
type relay struct {
	addr, to string
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	passing  sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	r := &relay{addr: freeAddr(t), to: to, conns: map[net.Conn]bool{}}
	if err := r.mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cut(context.Background()) })
	return r
}

func (r *relay) mend(context.Context) error {
	l, err := net.Listen("tcp", r.addr)
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

func (r *relay) pass(in, out net.Conn) {
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

// cut closes what passes and refuses what comes.
func (r *relay) cut(context.Context) error {
	r.mu.Lock()
	_ = r.listener.Close()
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.passing.Wait()
	return nil
}
