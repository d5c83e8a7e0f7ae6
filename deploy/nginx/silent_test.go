package nginx_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatelab/gatelab/deploy/nginx"
	"github.com/gatelab/gatelab/internal/testenv"
)

// replica answers after a time, and counts what it is asked.
func replica(t *testing.T, name string, after *atomic.Int64) (addr string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked.Add(1)
		select {
		case <-time.After(time.Duration(after.Load())):
		case <-q.Context().Done():
		}
		fmt.Fprint(w, name)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), asked
}

// start runs a real nginx with the product's configuration.
func start(t *testing.T, c nginx.Config) (url string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs nginx, and -short asks for tests without servers: run make test")
	}
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("nginx is not installed: run make deps")
		}
	}
	c.Listen, c.Status = testenv.FreeAddr(t), testenv.FreeAddr(t)
	c.Workers = 1
	conf, err := nginx.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf = bytes.ReplaceAll(conf, []byte("/tmp/"), []byte(dir+"/"))             // other tests have an nginx too
	conf = bytes.ReplaceAll(conf, []byte("user nobody;"), []byte("user root;")) // a group of that name is not everywhere
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", file, "-p", dir, "-g", "daemon off;")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if res, err := http.Get("http://" + c.Status + "/health"); err == nil {
			res.Body.Close()
			refusesForeignNames(t, c.Status)
			return "http://" + c.Listen
		}
	}
	t.Fatal("nginx does not answer")
	return ""
}

// refusesForeignNames asks the status server under a name that a web page pointed
// at it.
func refusesForeignNames(t *testing.T, status string) {
	t.Helper()
	for host, want := range map[string]int{"evil.example": 403, "127.0.0.1.evil.example": 403, "localhost": 200, "127.0.0.2:8081": 200} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+status+"/status", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		q.Host = host
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("status server, Host %s: %d, want %d", host, res.StatusCode, want)
		}
	}
}

// What makes all replicas slow at once costs a request time, and not its answer,
// nor every replica its work over and over.
func TestReplicasThatAreAllSlowAreWaitedFor(t *testing.T) {
	var after atomic.Int64
	a, askedA := replica(t, "a", &after)
	b, askedB := replica(t, "b", &after)
	d, askedD := replica(t, "d", &after)
	url := start(t, nginx.Config{
		Upstreams: []string{a, b, d}, Method: "least_conn", Keepalive: 16,
		MaxFails: 3, FailTimeout: 5 * time.Second, Retries: true, Idempotent: 300 * time.Millisecond,
	})
	after.Store(int64(450 * time.Millisecond))
	res, err := http.Get(url + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	if n := askedA.Load() + askedB.Load() + askedD.Load(); n != 3 {
		t.Errorf("the replicas were asked %d times, want two in turn and one patiently", n)
	}
}

func TestAReplicaThatHangsCostsAGetItsTimeOut(t *testing.T) {
	var never, at atomic.Int64
	never.Store(int64(time.Minute))
	hung, asked := replica(t, "hung", &never)
	sound, _ := replica(t, "sound", &at)
	url := start(t, nginx.Config{
		Upstreams: []string{hung, sound}, Method: "round_robin", Keepalive: 16,
		MaxFails: 3, FailTimeout: 5 * time.Second, Retries: true, Idempotent: 300 * time.Millisecond,
	})
	for range 8 {
		res, err := http.Get(url + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("status %d", res.StatusCode)
		}
	}
	if n := asked.Load(); n < 1 || n > 3 {
		t.Errorf("the replica that hangs was asked %d times, want it out after three", n)
	}
}

// breaking takes connections and ends them without an answer.
func breaking(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// Where two are slow and the third one hangs, the hung one takes a bounded part of
// a client's time.
func TestAHungReplicaAmongSlowOnesIsLeft(t *testing.T) {
	var never, after atomic.Int64
	never.Store(int64(time.Minute))
	hung, _ := replica(t, "hung", &never)
	a, _ := replica(t, "a", &after)
	b, _ := replica(t, "b", &after)
	url := start(t, nginx.Config{
		Upstreams: []string{hung, a, b}, Method: "round_robin", Keepalive: 16,
		MaxFails: 3, FailTimeout: 5 * time.Second, Retries: true, Idempotent: 300 * time.Millisecond,
	})
	after.Store(int64(450 * time.Millisecond))
	for i := range 6 {
		began := time.Now()
		res, err := http.Get(url + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if took := time.Since(began); res.StatusCode != http.StatusOK || took > 5*time.Second {
			t.Errorf("request %d: status %d after %s", i, res.StatusCode, took)
		}
	}
}

// A silent replica and one that breaks connections leave a third one.
func TestAGetFindsTheReplicaThatIsLeft(t *testing.T) {
	var never, at atomic.Int64
	never.Store(int64(time.Minute))
	hung, _ := replica(t, "hung", &never)
	sound, _ := replica(t, "sound", &at)
	url := start(t, nginx.Config{
		Upstreams: []string{hung, breaking(t), sound}, Method: "round_robin", Keepalive: 16,
		MaxFails: 3, FailTimeout: 5 * time.Second, Retries: true, Idempotent: 300 * time.Millisecond,
	})
	for i := range 12 {
		res, err := http.Get(url + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("request %d: status %d", i, res.StatusCode)
		}
	}
}

// What a replica itself answers is passed on: it may have a reason.
func TestAReplicasOwnBadGatewayIsNotSentAgain(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(s.Close)
	addr := strings.TrimPrefix(s.URL, "http://")
	url := start(t, nginx.Config{
		Upstreams: []string{addr, addr}, Method: "round_robin", Keepalive: 16,
		MaxFails: 3, FailTimeout: 5 * time.Second, Retries: true, Idempotent: 300 * time.Millisecond,
	})
	res, err := http.Get(url + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadGateway || asked.Load() != 1 {
		t.Errorf("status %d after %d requests", res.StatusCode, asked.Load())
	}
}
