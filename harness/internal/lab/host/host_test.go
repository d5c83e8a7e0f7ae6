package host

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// built are our own two programs, made once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gatelab-host-test-")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"gateway", "harness"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, name), "github.com/gatelab/gatelab/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	if os.Getenv(doomedEnv) != "" {
		doomed()
		return
	}
	code := m.Run()
	if dir, _ := built(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func binaries(tb testing.TB) map[string]string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs PostgreSQL, Redis and nginx, and -short asks for tests without servers: run make test")
	}
	dir, err := built()
	must(tb, err)
	return map[string]string{lab.ProgramGateway: filepath.Join(dir, "gateway"), lab.ProgramHarness: filepath.Join(dir, "harness")}
}

// place gives a test a folder of its own for runs, which its nodes can pass
// through as any user.
func place(t *testing.T) string {
	t.Helper()
	binaries(t) // in a folder that outlives this one
	dir, err := os.MkdirTemp("", "gl")
	must(t, err)
	must(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

func open(t *testing.T, c Config) *Runtime {
	t.Helper()
	c.Binaries = binaries(t)
	c.Progress = func(line string) { t.Log(line) }
	r, err := New(t.Context(), c)
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func threeReplicas() topology.Topology {
	return topology.Topology{
		Replicas: 3,
		Links:    map[string]topology.Link{topology.RolePostgres: {Latency: time.Millisecond}},
		Balancer: topology.Balance{Method: "least_conn", Keepalive: 64, MaxFails: 3, FailTimeout: 30 * time.Second, Retries: true},
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func fetch(target string) (status int, body string, err error) {
	c := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(target)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func pick(t *testing.T, l *lab.Lab, name string) lab.Node {
	t.Helper()
	n, ok := l.Node(name)
	if !ok {
		t.Fatalf("the lab has no %s", name)
	}
	return n
}

// TestWholeLab takes one lab through what a run does with it: all nodes up, a
// replica killed and back, another topology without restarting Postgres, and
// everything gone.
func TestWholeLab(t *testing.T) {
	dir := place(t)
	r := open(t, Config{})
	began := time.Now()
	l, err := topology.Start(t.Context(), r, threeReplicas(), lab.Options{Layout: r.Layout()})
	must(t, err)
	t.Logf("the lab was up after %s", time.Since(began).Round(10*time.Millisecond))

	t.Run("every node has an address of its own, and none is root", func(t *testing.T) {
		seen := map[string]string{}
		for _, n := range l.Nodes("") {
			ip, _, _ := net.SplitHostPort(n.Addr(1))
			if other := seen[ip]; other != "" && !r.addr.one {
				t.Errorf("%s and %s both listen on %s", n.Name(), other, ip)
			}
			seen[ip] = n.Name()
		}
		for _, pid := range within(dir) {
			info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
			if err == nil && owner0(info) {
				t.Errorf("process %d runs as root", pid)
			}
		}
	})
	t.Run("Postgres keeps its durability and wants a password", func(t *testing.T) { durable(t, pick(t, l, topology.RolePostgres)) })
	t.Run("the balancer reaches the gateways", func(t *testing.T) {
		for range 6 {
			status, body, err := fetch("http://" + pick(t, l, topology.RoleBalancer).HostAddr(topology.PortBalancer) + "/x")
			must(t, err)
			if status != http.StatusNotFound || !strings.Contains(body, "no Route matched") {
				t.Errorf("answer %d %s, want the gateway's 404", status, body)
			}
		}
	})
	t.Run("a killed replica is seen and comes back", func(t *testing.T) { killAndBack(t, l) })
	t.Run("usage goes on over a restart", func(t *testing.T) {
		n := pick(t, l, "gateway-2")
		u, err := n.Usage(t.Context())
		must(t, err)
		if u.CPUSeconds <= 0 || u.MemoryPeakBytes < 1<<20 {
			t.Errorf("usage %+v, want some of both lives", u)
		}
	})

	before := pick(t, l, topology.RolePostgres)
	next := threeReplicas()
	next.Replicas = 1
	must(t, topology.Apply(t.Context(), l, next))
	if pick(t, l, topology.RolePostgres) != before || len(l.Nodes(topology.RoleGateway)) != 1 {
		t.Error("another topology changed more than it had to")
	}

	must(t, l.Close(t.Context()))
	if left := within(dir); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 0 {
		t.Errorf("files %v are left", files)
	}
}

func durable(t *testing.T, pg lab.Node) {
	dsn := func(password string) string {
		return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", lab.PostgresUser, password, pg.HostAddr(topology.PortPostgres),
			lab.PostgresDatabase)
	}
	if _, err := pgx.Connect(t.Context(), dsn("wrong")); err == nil {
		t.Error("a wrong password was let in")
	}
	db, err := pgx.Connect(t.Context(), dsn(lab.PostgresPassword))
	must(t, err)
	defer func() { _ = db.Close(t.Context()) }()
	for name, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"} {
		var got string
		must(t, db.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&got))
		if got != want {
			t.Errorf("postgres runs with %s=%s, want %s", name, got, want)
		}
	}
}

func killAndBack(t *testing.T, l *lab.Lab) {
	n := pick(t, l, "gateway-2")
	f, err := fault.New(fault.KindKill, n, func(ctx context.Context) error { return l.Ready(ctx, n.Name()) })
	must(t, err)
	e, err := fault.Run(t.Context(), f, fault.Plan{RecoverAfter: 100 * time.Millisecond, OnStep: func(step string, _ fault.Event) {
		if step == fault.StepEffect {
			if s, _ := n.State(t.Context()); s.Running || s.ExitCode != 137 {
				t.Errorf("killed, and its state is %+v", s)
			}
		}
	}})
	must(t, err)
	if e.RecoveredAt.IsZero() {
		t.Error("it did not come back")
	}
}

func TestPauseHoldsAndResumeLetsGo(t *testing.T) {
	place(t)
	r := open(t, Config{})
	t1 := threeReplicas()
	specs, err := t1.Specs(r.Layout())
	must(t, err)
	i := slices.IndexFunc(specs, func(s lab.Spec) bool { return s.Role == topology.RoleRedis })
	redis := specs[i]
	redis.Cores = []int{0}
	must(t, r.Prepare(t.Context(), []lab.Spec{redis}))
	l := lab.New(r, lab.Options{Layout: r.Layout()})
	n, err := l.Replace(t.Context(), redis)
	must(t, err)

	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.(interface{ current() *process }).current().pid)); err == nil {
		if !strings.Contains(string(status), "Cpus_allowed_list:\t0\n") {
			t.Error("it may run on other cores than the one that was asked for")
		}
	}
	must(t, n.Pause(t.Context()))
	if s, _ := n.State(t.Context()); !s.Paused || !s.Running {
		t.Errorf("paused, and its state is %+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := redis.Ready(ctx, n); err == nil {
		t.Error("it answers while it is paused")
	}
	must(t, n.Resume(t.Context()))
	must(t, l.Ready(t.Context(), topology.RoleRedis))

	must(t, n.Stop(t.Context(), 2*time.Second))
	if s, _ := n.State(t.Context()); s.Running || s.ExitCode != 0 {
		t.Errorf("asked to end, and its state is %+v", s)
	}
	if err := n.CutOff(t.Context()); err == nil || !strings.Contains(err.Error(), "have no network of their own") {
		t.Errorf("cut off without a proxy: %v", err)
	}
}

func TestCutOffLosesWhatIsSent(t *testing.T) {
	place(t)
	r := open(t, Config{Cut: []string{topology.RoleOrigin}})
	origin := topology.Origin(topology.Topology{}, r.Layout(), 1)
	must(t, r.Prepare(t.Context(), []lab.Spec{origin}))
	l := lab.New(r, lab.Options{Layout: r.Layout()})
	n, err := l.Replace(t.Context(), origin)
	must(t, err)
	url := "http://" + n.Addr(topology.PortOrigin) + "/health"
	if n.Addr(topology.PortOrigin) == n.HostAddr(topology.PortOrigin) {
		t.Error("nothing stands in front of the node")
	}
	ask := func() error { _, _, err := fetch(url); return err }
	must(t, ask())
	must(t, n.CutOff(t.Context()))
	if s, _ := n.State(t.Context()); s.Connected {
		t.Errorf("cut off, and its state is %+v", s)
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "imeout") {
		t.Errorf("asked while it was cut off: %v, want no answer", err)
	}
	must(t, n.Reconnect(t.Context()))
	must(t, ask())
}

func TestPortInUseIsNamed(t *testing.T) {
	place(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	r := open(t, Config{Ports: map[string]int{"origin:9000": port}})
	origin := topology.Origin(topology.Topology{}, r.Layout(), 1)
	must(t, r.Prepare(t.Context(), []lab.Spec{origin}))
	_, err = r.Start(t.Context(), origin)
	want := fmt.Sprintf("start origin: 127.0.0.1:%d, wanted for origin (its port 9000), is in use: "+
		"stop what listens there or choose another", port)
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
