package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/internal/testenv"
)

// asProgram has the test's own binary run the gateway instead of tests.
const asProgram = "GATELAB_TEST_AS_PROGRAM=1"

// process is the real program as a process of its own.
type process struct {
	t                    testing.TB
	proxy, admin, status string // host:port
	log                  *lines
	cmd                  *exec.Cmd
	ended                chan error
}

// startProcess starts a gateway; it does not wait until it is ready.
func startProcess(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{
		t: t, proxy: testenv.FreeAddr(t), admin: testenv.FreeAddr(t), status: testenv.FreeAddr(t),
		log: &lines{}, ended: make(chan error, 1),
	}
	args = append([]string{"run", "--proxy-listen=" + p.proxy, "--admin-listen=" + p.admin, "--status-listen=" + p.status}, args...)
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = []string{asProgram}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Log(p.log.String())
		}
	})
	return p
}

// get returns the status and body of a response, 0 where there is none.
func (p *process) get(url string) (status int, body string) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

func (p *process) eventually(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("never came: %s", what)
		}
	}
}

// isRefused fails the test where a connection is accepted.
func (p *process) isRefused(address, when string) {
	p.t.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		p.t.Errorf("%s: connecting to %s: %v, want connection refused", when, address, err)
	}
}

// end asks the process to end and returns its exit code.
func (p *process) end() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		p.t.Fatal("the process does not end")
		panic("unreachable")
	}
}

// A replica that waits for Postgres refuses connections to the proxy, so that a
// load balancer uses another one, and says on its status listener why.
func TestAReplicaThatWaitsForPostgresRefusesConnections(t *testing.T) {
	dsn := testenv.Postgres(t)
	if os.Getenv("GATELAB_TEST_POSTGRES") != "" {
		t.Skip("GATELAB_TEST_POSTGRES is set: there is no link to cut")
	}
	away := newLink(t, "127.0.0.1:"+pgPort.FindStringSubmatch(dsn)[1])
	away.set(true)
	_, port, _ := net.SplitHostPort(away.listener.Addr().String())
	p := startProcess(t, "--pg-dsn="+pgPort.ReplaceAllString(dsn, "port="+port), "--pg-start-timeout=5m", "--drain-timeout=10s")
	const reason = `{"message":"no configuration yet: Postgres is unavailable; the log says why"}`
	p.eventually("the status listener says why", func() bool {
		code, body := p.get("http://" + p.status + "/status/ready")
		return code == 503 && strings.TrimSpace(body) == reason
	})
	for range 20 {
		p.isRefused(p.proxy, "before a configuration")
		p.isRefused(p.admin, "before Postgres is reached")
	}
	if code, _ := p.get("http://" + p.status + "/health/live"); code != 200 {
		t.Errorf("/health/live: %d", code)
	}
	if code, body := p.get("http://" + p.status + "/health/ready"); code != 503 || !strings.Contains(body, "Postgres is unavailable") {
		t.Errorf("/health/ready: %d %s", code, body)
	}
	if p.log.count("waiting for Postgres") == 0 {
		t.Error("the log does not say what it waits for")
	}
	away.set(false)
	p.eventually("the replica is ready", func() bool {
		code, _ := p.get("http://" + p.status + "/status/ready")
		return code == 200
	})
	if code, body := p.get("http://" + p.proxy + "/"); code != 404 || !strings.Contains(body, "no Route matched") {
		t.Errorf("a ready replica's proxy: %d %s", code, body)
	}
	if code, body := p.get("http://" + p.admin + "/"); code != 200 {
		t.Errorf("a ready replica's Admin API: %d %s", code, body)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.isRefused(p.proxy, "after the end")
}

// A replica that is asked to end while it waits ends.
func TestAReplicaThatWaitsForPostgresEndsWhenAsked(t *testing.T) {
	p := startProcess(t, "--pg-dsn=host=127.0.0.1 port=1", "--pg-start-timeout=5m")
	p.eventually("it waits", func() bool { return p.log.count("waiting for Postgres") > 0 })
	if code := p.end(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

// A load balancer does not notice a replica that waits: POST requests, which it
// would not repeat, are served by the other one.
func TestAReplicaThatWaitsGetsNoRequestFromNginx(t *testing.T) {
	waiting := startProcess(t, "--pg-dsn=host=127.0.0.1 port=1", "--pg-start-timeout=5m")
	waiting.eventually("it waits", func() bool { return waiting.log.count("waiting for Postgres") > 0 })
	b := boot(t)
	b.service()
	b.eventually("the configuration arrives", func() bool { return b.get(b.proxy+"/ai/a").StatusCode == 200 })
	front := "http://" + nginx(t, waiting.proxy, b.proxy)
	b.eventually("nginx listens", func() bool { return b.get(front+"/ai/a").StatusCode != 0 })
	for i := range 100 {
		res, err := http.Post(front+"/ai/x", "text/plain", strings.NewReader("ok"))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("request %d: %s", i, res.Status)
		}
	}
}

// A replica whose stored configuration is rejected refuses connections, too, until
// it is corrected through its Admin API.
func TestAReplicaWithARejectedConfigurationRefusesConnections(t *testing.T) {
	ctx, dsn := context.Background(), testenv.Postgres(t)
	var out strings.Builder
	if code := run([]string{"migrate", "--pg-dsn=" + dsn}, nil, &out, &out); code != exitOK {
		t.Fatalf("migrate: %d %s", code, out.String())
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	const id = "0b9a1c80-4b62-4a71-9a1c-2f7c3c0f5b01"
	const unreadable = `INSERT INTO routes (id, body) VALUES ($1::uuid, jsonb_build_object('id', $1::text, 'regex_priority', 1e20))`
	if _, err := conn.Exec(ctx, unreadable, id); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "--pg-dsn="+dsn)
	p.eventually("the Admin API is served", func() bool {
		code, _ := p.get("http://" + p.admin + "/")
		return code == 200
	})
	p.isRefused(p.proxy, "with a rejected configuration")
	code, body := p.get("http://" + p.status + "/status/ready")
	if code != 503 || !strings.Contains(body, "the stored configuration was rejected") {
		t.Errorf("/status/ready: %d %s", code, body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://"+p.admin+"/routes/"+id, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("DELETE: %s", res.Status)
	}
	p.eventually("the corrected configuration is served", func() bool {
		code, _ := p.get("http://" + p.proxy + "/")
		return code == 404
	})
	if code := p.end(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
