package topology_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

func spec(t *testing.T, wanted topology.Topology, name string) lab.Spec {
	t.Helper()
	specs, err := wanted.Specs(lab.Layout{})
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
	wanted := topology.Topology{
		Replicas:  2,
		Resources: map[string]topology.Resources{topology.RoleGateway: {CPUs: 1, Memory: 256 << 20}, topology.RoleRedis: {Memory: 100 << 20}},
		Links:     map[string]topology.Link{topology.RolePostgres: {Latency: 2500 * time.Microsecond}},
		Gateway:   map[string]string{"lookup": "database", "pg_max_conns": "1"},
		Origin:    map[string]string{"seed": "42", "models": "500"},
		Worker:    []string{"--cap=10"},
	}
	t.Run("nodes are in the order in which they depend on each other", func(t *testing.T) {
		specs, err := wanted.Specs(lab.Layout{})
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
		s := spec(t, wanted, "gateway-2")
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
		direct := wanted
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
		if got := strings.Join(spec(t, wanted, name).Args, " "); got != want {
			t.Errorf("%s runs %q, want %q", name, got, want)
		}
	}
	t.Run("several workers", func(t *testing.T) {
		several := wanted
		several.Workers = 3
		s := spec(t, several, "worker-3")
		if got := strings.Join(s.Args, " "); got != "worker --listen=:7000 --cap=10" || s.Role != topology.RoleWorker {
			t.Errorf("worker-3, a %s, runs %q", s.Role, got)
		}
		several.Roles = []string{topology.RoleWorker}
		if specs, err := several.Specs(lab.Layout{}); err != nil || len(specs) != 3 {
			t.Errorf("%d of 3 workers, error %v", len(specs), err)
		}
		if !topology.KnownNode("worker-3") || topology.KnownNode("worker-1") || topology.KnownNode("worker-10") {
			t.Error("a node is not known, or one is that there cannot be")
		}
	})
	t.Run("Redis stays below its memory limit", func(t *testing.T) {
		if got := spec(t, wanted, "redis").Settings["maxmemory"]; got != "78643200" {
			t.Errorf("maxmemory %s, want three quarters of 100 MiB", got)
		}
	})
	t.Run("another layout changes every address", func(t *testing.T) {
		l := lab.Layout{
			Listen: func(node string, port int) string { return "127.0.0.1:" + fmt.Sprint(len(node)*100+port%100) },
			Addr:   func(node string, port int) string { return "127.0.0.1:" + fmt.Sprint(len(node)*100+port%100) },
		}
		specs, err := wanted.Specs(l)
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
		topology topology.Topology
		want     string
	}{
		{"no replica", topology.Topology{}, "replicas: 0 is not allowed: want 1 to 9"},
		{"ten workers", topology.Topology{Replicas: 1, Workers: 10}, "workers: 10 is not allowed: want 1 to 9"},
		{"a link to nowhere", topology.Topology{Replicas: 1, Links: map[string]topology.Link{"mars": {}}},
			`links: unknown node "mars": want postgres, redis, origin or gateway`},
		{"a method nginx has not", topology.Topology{Replicas: 1, Balancer: topology.Balance{Method: "random"}},
			`lb: balance: "random" is not allowed: want round_robin or least_conn`},
	} {
		if _, err := c.topology.Specs(lab.Layout{}); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
