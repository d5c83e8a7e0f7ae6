package host

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gatelab/harness/internal/lab"
)

// lacking are programs of a machine that has none of the servers.
func lacking() *programs {
	p := newPrograms(map[string]string{lab.ProgramHarness: "/harness"})
	p.find = func(program string) (string, error) { return "", errors.New(program + " is not here") }
	return p
}

func TestStandInsAreNamed(t *testing.T) {
	p := lacking()
	redis := lab.Redis(lab.Topology{}, lab.Layout{})
	lb, err := lab.Balancer(lab.Topology{Replicas: 2, Balancer: lab.Balance{Retries: true}}, lab.Layout{}, 1)
	must(t, err)
	if got := p.missing([]lab.Spec{redis}); !slices.Equal(got, []string{lab.ProgramRedis}) {
		t.Errorf("missing are %v", got)
	}
	must(t, p.resolve([]lab.Spec{redis, lb}))
	for program, want := range map[string]string{
		lab.ProgramRedis: "redis-server is missing: harness redis stands in, so its figures are not redis-server's",
		lab.ProgramNginx: "nginx is missing: harness balancer stands in, so its figures are not nginx's",
	} {
		if got := p.info()["standin_"+program]; got != want {
			t.Errorf("%s: %q, want %q", program, got, want)
		}
	}
	if got := p.news(); len(got) != 2 || len(p.news()) != 0 {
		t.Errorf("told %v, want each once", got)
	}
	if want := []string{"--upstream=gateway-1:8000", "--upstream=gateway-2:8000"}; !slices.Equal(lb.StandIn[len(lb.StandIn)-2:], want) {
		t.Errorf("the balancer that stands in gets %v", lb.StandIn)
	}
}

// TestOptionalNodesAreLeftOut: both come in one package, are asked for once, and
// that they cannot be had is told once and fails nothing.
func TestOptionalNodesAreLeftOut(t *testing.T) {
	p := lacking()
	topology := lab.Topology{Replicas: 1}
	prometheus, err := lab.Prometheus(topology, lab.Layout{})
	must(t, err)
	specs := []lab.Spec{prometheus, lab.Alertmanager(topology, lab.Layout{})}
	if got := p.missing(specs); !slices.Equal(got, []string{"prometheus"}) {
		t.Errorf("missing are %v", got)
	}
	must(t, p.resolve(specs))
	if got := p.news(); len(got) != 2 || !strings.HasPrefix(got[0], "prometheus is left out: prometheus is not here; `make deps`") {
		t.Errorf("told %q", got)
	}
	if !p.without(lab.ProgramPrometheus) || !p.without(lab.ProgramAlertmanager) || p.without(lab.ProgramRedis) {
		t.Error("the wrong programs are lacking")
	}
	if again := p.missing(specs); len(again) > 0 {
		t.Errorf("asked for again: %v", again)
	}
}

func TestMissingPostgresSaysWhatToDo(t *testing.T) {
	err := lacking().resolve([]lab.Spec{lab.Postgres(lab.Topology{}, lab.Layout{}), lab.Redis(lab.Topology{}, lab.Layout{})})
	if err == nil || !strings.HasPrefix(err.Error(), "postgres missing: install with `make deps`") || !strings.Contains(err.Error(), "Docker") {
		t.Errorf("error %v", err)
	}
}

func TestNiceness(t *testing.T) {
	for weight, want := range map[int64]int{8192: 0, 0: 10, 1024: 10, 2: 19, 100000: 0} {
		if got := niceness(weight); got != want {
			t.Errorf("weight %d: %d, want %d", weight, got, want)
		}
	}
}

func TestRootIsNeverARoleOfNodes(t *testing.T) {
	if c := unprivileged(0); c == nil || c.Uid == 0 || c.Gid == 0 || len(c.Groups) != 0 {
		t.Errorf("as root, children are started as %+v", c)
	}
	if c := unprivileged(1000); c != nil {
		t.Errorf("as somebody, children are started as %+v", c)
	}
}

func TestAddresses(t *testing.T) {
	a := newAddresses(7, map[string]int{"lb:8000": 8000}, []string{lab.RoleGateway})
	a.one = false
	for _, c := range []struct{ what, got, want string }{
		{"the first node", a.listen("redis", 6379), "127.0.7.2:6379"},
		{"another one", a.listen("gateway-1", 8000), "127.0.7.3:8000"},
		{"the same again", a.listen("redis", 6379), "127.0.7.2:6379"},
		{"others reach it as it listens", a.dial("redis", 6379), "127.0.7.2:6379"},
		{"or through its proxy", a.dial("gateway-1", 8000), "127.0.7.103:8000"},
		{"a fixed port", a.dial("lb", 8000), "127.0.0.1:8000"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
	a.one = true
	if one, other := a.listen("redis", 1), a.listen("redis", 2); one == other || one != a.listen("redis", 1) || !strings.HasPrefix(one, "127.0.0.1:") {
		t.Errorf("with one address: %s and %s", one, other)
	}
}

func TestFolderOfSomebodyElseIsRefused(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	must(t, os.Symlink("/", base()))
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "is not a folder of this user") {
		t.Errorf("error %v", err)
	}
}

func TestUsageCountsThisProcess(t *testing.T) {
	for began := time.Now(); time.Since(began) < 30*time.Millisecond; { // some ticks of the kernel's clock
	}
	cpu, memory := usageOf(descendants(os.Getpid()))
	if cpu <= 0 || memory < 1<<20 {
		t.Errorf("this process used %s and %d bytes", cpu, memory)
	}
}
