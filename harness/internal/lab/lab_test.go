package lab_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatelab/harness/internal/lab"
)

// fakeRuntime keeps nodes in memory and notes what happens, in order.
type fakeRuntime struct {
	mu     sync.Mutex
	events []string
	nodes  map[string]bool
	fail   string // the node that does not start
	closed int
}

func (r *fakeRuntime) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *fakeRuntime) Prepare(context.Context, []lab.Spec) error { return nil }

func (r *fakeRuntime) Start(_ context.Context, s lab.Spec) (lab.Node, error) {
	if s.Name == r.fail {
		return nil, errors.New("it does not start")
	}
	r.note("start %s", s.Name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[s.Name] = true
	return &fakeNode{name: s.Name, role: s.Role}, nil
}

func (r *fakeRuntime) Remove(_ context.Context, n lab.Node) error {
	r.note("remove %s", n.Name())
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.nodes, n.Name())
	return nil
}

func (r *fakeRuntime) Info(context.Context) map[string]string {
	return map[string]string{"runtime": "fake"}
}

func (r *fakeRuntime) Sweep(context.Context) ([]string, error) { return nil, nil }

func (r *fakeRuntime) Close(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	clear(r.nodes)
	return ctx.Err()
}

// fakeNode is what fakeRuntime makes; methods that a test does not expect panic.
type fakeNode struct {
	lab.Node
	name, role string
}

func (n *fakeNode) Name() string { return n.name }
func (n *fakeNode) Role() string { return n.role }

// HostAddr: nothing is published, so no Ready succeeds.
func (n *fakeNode) HostAddr(int) string { return "" }

// plain is a lab of specs whose readiness is not asked for.
func plain(t *testing.T, r *fakeRuntime, specs ...lab.Spec) *lab.Lab {
	t.Helper()
	l := lab.New(r, lab.Options{})
	for _, s := range specs {
		if _, err := l.Replace(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestReplaceAndDrop(t *testing.T) {
	r := &fakeRuntime{nodes: map[string]bool{}}
	l := plain(t, r, lab.Spec{Name: "gateway-2", Role: lab.RoleGateway}, lab.Spec{Name: "gateway-1", Role: lab.RoleGateway}, lab.Spec{Name: "redis", Role: lab.RoleRedis})
	if _, err := l.Replace(t.Context(), lab.Spec{Name: "redis", Role: lab.RoleRedis, Args: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"start gateway-2", "start gateway-1", "start redis", "remove redis", "start redis"}
	if !slices.Equal(r.events, want) {
		t.Errorf("events %v, want %v", r.events, want)
	}
	var names []string
	for _, n := range l.Nodes(lab.RoleGateway) {
		names = append(names, n.Name())
	}
	if !slices.Equal(names, []string{"gateway-1", "gateway-2"}) || len(l.Nodes("")) != 3 {
		t.Errorf("gateways %v of %d nodes", names, len(l.Nodes("")))
	}
	if err := l.Drop(t.Context(), "gateway-1"); err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Node("gateway-1"); ok || r.nodes["gateway-1"] {
		t.Error("a dropped node is still there")
	}
	if err := l.Drop(t.Context(), "gateway-1"); err == nil || err.Error() != "drop gateway-1: no such node" {
		t.Errorf("dropping it twice: %v", err)
	}
}

func TestFailedStartRemovesAll(t *testing.T) {
	r := &fakeRuntime{nodes: map[string]bool{}, fail: lab.RoleRedis}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // Close must work even so
	_, err := lab.Start(ctx, r, lab.Topology{Replicas: 1}, lab.Options{})
	if err == nil || strings.Contains(err.Error(), "close the lab") {
		t.Errorf("error %v", err)
	}
	if r.closed != 1 || len(r.nodes) != 0 {
		t.Errorf("closed %d times, left %v", r.closed, r.nodes)
	}
}

func TestPortsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name  string
		ports map[string]int
		want  string
	}{
		{"no port in the key", map[string]int{"lb": 8000}, `port "lb": want node:port, as lb:8000`},
		{"an unknown node", map[string]int{"gatway-1:8000": 8000}, `port "gatway-1:8000": unknown node "gatway-1"`},
		{"a port that is not published", map[string]int{"redis:8000": 8000}, `port "redis:8000": redis publishes [6379]`},
		{"a port number that cannot be", map[string]int{"lb:8000": 70000}, `port "lb:8000": 70000 is not allowed: want 1 to 65535`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &fakeRuntime{nodes: map[string]bool{}}
			_, err := lab.Start(t.Context(), r, lab.Topology{Replicas: 1}, lab.Options{Ports: c.ports})
			if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if len(r.events) != 0 {
				t.Errorf("nodes were started: %v", r.events)
			}
		})
	}
}

func spec(t *testing.T, topology lab.Topology, name string) lab.Spec {
	t.Helper()
	specs, err := topology.Specs(lab.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no spec %s", name)
	return lab.Spec{}
}

func TestSpecs(t *testing.T) {
	topology := lab.Topology{
		Replicas:  2,
		Resources: map[string]lab.Resources{lab.RoleGateway: {CPUs: 1, Memory: 256 << 20}, lab.RoleRedis: {Memory: 100 << 20}},
		Links:     map[string]lab.Link{lab.RolePostgres: {Latency: 2500 * time.Microsecond}},
		Gateway:   map[string]string{"lookup": "database", "pg_max_conns": "1"},
		Origin:    map[string]string{"seed": "42", "models": "500"},
		Worker:    []string{"--cap=10"},
	}
	t.Run("nodes are in the order in which they depend on each other", func(t *testing.T) {
		specs, err := topology.Specs(lab.Layout{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range specs {
			names = append(names, s.Name)
			if s.Ready == nil {
				t.Errorf("%s has no readiness", s.Name)
			}
		}
		if got := strings.Join(names, " "); got != "postgres redis origin worker link gateway-1 gateway-2 lb" {
			t.Errorf("order %s", got)
		}
	})
	t.Run("a gateway reaches a delayed Postgres through the link", func(t *testing.T) {
		s := spec(t, topology, "gateway-2")
		for name, want := range map[string]string{
			"GATEWAY_PG_DSN":       "postgres://gatelab:gatelab@link:15432/gatelab?sslmode=disable",
			"GATEWAY_NODE_NAME":    "gateway-2",
			"GATEWAY_LOOKUP":       "database",
			"GATEWAY_PG_MAX_CONNS": "1",
			"GATEWAY_PROXY_LISTEN": ":8000",
		} {
			if s.Env[name] != want {
				t.Errorf("%s=%s, want %s", name, s.Env[name], want)
			}
		}
		if s.CPUs != 1 || s.Memory != 256<<20 {
			t.Errorf("limits %v %v", s.CPUs, s.Memory)
		}
		direct := topology
		direct.Links = nil
		if got := spec(t, direct, "gateway-1").Env["GATEWAY_PG_DSN"]; !strings.Contains(got, "@postgres:5432/") {
			t.Errorf("without a link: %s", got)
		}
	})
	for name, want := range map[string]string{
		"link":   "link --admin=:8474 --proxy=postgres=:15432,postgres:5432,2.5ms,0s",
		"origin": "origin --listen=:9000 --null=:9100 --models=500 --seed=42",
		"worker": "worker --listen=:7000 --cap=10",
	} {
		if got := strings.Join(spec(t, topology, name).Args, " "); got != want {
			t.Errorf("%s runs %q, want %q", name, got, want)
		}
	}
	t.Run("Redis stays below its memory limit", func(t *testing.T) {
		if got := spec(t, topology, "redis").Settings["maxmemory"]; got != "78643200" {
			t.Errorf("maxmemory %s, want three quarters of 100 MiB", got)
		}
	})
	t.Run("another layout changes every address", func(t *testing.T) {
		l := lab.Layout{
			Listen: func(node string, port int) string { return "127.0.0.1:" + fmt.Sprint(len(node)*100+port%100) },
			Addr:   func(node string, port int) string { return "127.0.0.1:" + fmt.Sprint(len(node)*100+port%100) },
		}
		specs, err := topology.Specs(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range specs {
			all := strings.Join(s.Args, " ") + fmt.Sprint(s.Env) + string(s.Files["/etc/nginx/nginx.conf"])
			if !strings.Contains(all, "127.0.0.1") || strings.Contains(all, ":8000") {
				t.Errorf("%s has addresses of its own: %s", s.Name, all)
			}
		}
	})
}

func TestSpecsRefuse(t *testing.T) {
	for _, c := range []struct {
		name     string
		topology lab.Topology
		want     string
	}{
		{"no replica", lab.Topology{}, "replicas: 0 is not allowed: want 1 to 9"},
		{"a link to nowhere", lab.Topology{Replicas: 1, Links: map[string]lab.Link{"mars": {}}}, `links: unknown node "mars": want postgres, redis, origin or gateway`},
		{"a method nginx has not", lab.Topology{Replicas: 1, Balancer: lab.Balance{Method: "random"}}, `lb: balance: "random" is not allowed: want round_robin or least_conn`},
	} {
		if _, err := c.topology.Specs(lab.Layout{}); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
