package docker_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

func wholeTopology() topology.Topology {
	return topology.Topology{
		Replicas:  3,
		Resources: map[string]topology.Resources{topology.RoleGateway: {CPUs: 1, Memory: 64 << 20}},
		Links:     map[string]topology.Link{topology.RolePostgres: {Latency: 2500 * time.Microsecond}},
		Balancer:  topology.Balance{Method: "least_conn", Keepalive: 64, MaxFails: 3, FailTimeout: 30 * time.Second, Retries: true},
	}
}

// TestWholeLab takes one lab through what a run does with it: all nodes up, a
// replica killed and back, another topology without restarting Postgres, and
// everything removed.
func TestWholeLab(t *testing.T) {
	r := open(t, docker.Config{Binaries: standin(t)})
	began := time.Now()
	l, err := topology.Start(t.Context(), r, wholeTopology(), lab.Options{Progress: func(s string) { t.Log(s) }})
	must(t, err)
	t.Logf("the lab was up after %s", time.Since(began).Round(10*time.Millisecond))
	lb, _ := l.Node(topology.RoleBalancer)
	database, _ := l.Node(topology.RolePostgres)
	volumes, err := r.Volumes(t.Context(), topology.RolePostgres)
	must(t, err)
	if len(volumes) == 0 {
		t.Error("the database lies on the layered file system, not in a volume")
	}

	db, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://%s:%s@%s/%s", lab.PostgresUser, lab.PostgresPassword,
		database.HostAddr(topology.PortPostgres), lab.PostgresDatabase))
	must(t, err)
	_, err = db.Exec(t.Context(), "create table kept (n int)")
	must(t, err)
	for name, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "max_connections": "200"} {
		var got string
		must(t, db.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&got))
		if got != want {
			t.Errorf("postgres runs with %s=%s, want %s", name, got, want)
		}
	}

	t.Run("every replica answers through the balancer", func(t *testing.T) {
		seen := map[string]bool{}
		for range 30 {
			body, err := fetch(t, "http://"+lb.HostAddr(topology.PortBalancer)+"/x")
			must(t, err)
			seen[strings.Fields(body)[0]] = true
		}
		if len(seen) != 3 {
			t.Errorf("answers came from %v, want three replicas", seen)
		}
	})
	t.Run("server-sent events pass the balancer as they are sent", func(t *testing.T) { firstEvent(t, lb) })
	t.Run("a killed replica costs no idempotent request", func(t *testing.T) { killAndServe(t, l) })

	began = time.Now()
	next := wholeTopology()
	next.Replicas = 2
	next.Balancer.Method = "round_robin"
	must(t, topology.Apply(t.Context(), l, next))
	t.Logf("another topology after %s", time.Since(began).Round(10*time.Millisecond))
	if _, ok := l.Node("gateway-3"); ok || len(l.Nodes(topology.RoleGateway)) != 2 {
		t.Error("the third replica is still there")
	}
	if _, err := db.Exec(t.Context(), "insert into kept values (1)"); err != nil {
		t.Errorf("the connection to Postgres did not live through it: %v", err)
	}
	_ = db.Close(t.Context())

	began = time.Now()
	must(t, l.Close(t.Context()))
	t.Logf("the lab was down after %s", time.Since(began).Round(10*time.Millisecond))
	nothingLeft(t, r)
	for _, v := range volumes {
		if r.VolumeExists(t.Context(), v) {
			t.Errorf("volume %s is left", v)
		}
	}
	must(t, l.Close(t.Context())) // twice is fine
}

// firstEvent reads one event of a stream that does not end.
func firstEvent(t *testing.T, lb lab.Node) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+lb.HostAddr(topology.PortBalancer)+"/events", http.NoBody)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || line != "data: first\n" {
		t.Errorf("first line %q, %v", line, err)
	}
}

// killAndServe kills a replica by way of a fault while requests go on.
func killAndServe(t *testing.T, l *lab.Lab) {
	lb, _ := l.Node(topology.RoleBalancer)
	target, _ := l.Node("gateway-2")
	before := target.HostAddr(topology.PortProxy)
	f, err := fault.New(fault.KindKill, target, func(ctx context.Context) error { return l.Ready(ctx, target.Name()) })
	must(t, err)
	done := make(chan error, 1)
	go func() {
		e, err := fault.Run(t.Context(), f, fault.Plan{RecoverAfter: time.Second})
		t.Logf("effect after %s, recovered after %s", e.EffectObservedAt.Sub(e.InjectedAt).Round(time.Millisecond),
			e.RecoveredAt.Sub(e.RecoverAt).Round(time.Millisecond))
		done <- err
	}()
	requests := 0
	for running := true; running; requests++ {
		if _, err := fetch(t, "http://"+lb.HostAddr(topology.PortBalancer)+"/x"); err != nil {
			t.Errorf("request %d: %v", requests, err)
		}
		select {
		case err := <-done:
			must(t, err)
			running = false
		default:
		}
	}
	t.Logf("%d requests", requests)
	if target.HostAddr(topology.PortProxy) != before {
		t.Error("the replica came back on another port")
	}
	if body, err := fetch(t, "http://"+before+"/"); err != nil || !strings.HasPrefix(body, "gateway-2 ") {
		t.Errorf("the replica answers %q, %v", body, err)
	}
}

func TestFixedPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	var number int
	_, err = fmt.Sscan(port, &number)
	must(t, err)
	r := open(t, docker.Config{Binaries: standin(t)})
	_, err = topology.Start(t.Context(), r, topology.Topology{Replicas: 1}, lab.Options{Ports: map[string]int{"origin:9000": number}})
	want := fmt.Sprintf("port %d on 127.0.0.1, wanted for origin (its port 9000), is in use", number)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	nothingLeft(t, r)
}

func TestStartGivenUpLeavesNothing(t *testing.T) {
	r := open(t, docker.Config{Binaries: standin(t)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// Given up as soon as the first node is ready, when others are half made.
	_, err := topology.Start(ctx, r, wholeTopology(), lab.Options{Progress: func(string) { cancel() }})
	if err == nil {
		t.Fatal("a cancelled start succeeded")
	}
	nothingLeft(t, r)
}

func TestNodeThatEndsIsExplainedByItsLog(t *testing.T) {
	r := open(t, docker.Config{Binaries: standin(t)})
	_, err := topology.Start(t.Context(), r, topology.Topology{
		Replicas: 1, Gateway: map[string]string{"proxy_listen": "nonsense"},
	}, lab.Options{})
	if err == nil || !strings.Contains(err.Error(), "gateway-1: it ended with exit code 1") ||
		!strings.Contains(err.Error(), "missing port in address") {
		t.Errorf("error %v: want how it ended and its last words", err)
	}
	nothingLeft(t, r)
}
