package host

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// lacking are programs of a machine that has none of the servers.
func lacking() *programs {
	p := newPrograms(map[string]string{lab.ProgramHarness: "/harness"})
	p.find = func(program string, _ lab.Source) (string, error) { return "", errors.New(program + " is not here") }
	return p
}

func TestStandInsAreNamed(t *testing.T) {
	p := lacking()
	redis := topology.Redis(topology.Topology{}, lab.Layout{}, 1)
	lb, err := topology.Balancer(topology.Topology{Replicas: 2, Balancer: topology.Balance{Retries: true}}, lab.Layout{}, 1)
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
	wanted := topology.Topology{Replicas: 1}
	prometheus, err := topology.Prometheus(wanted, lab.Layout{})
	must(t, err)
	alertmanager, err := topology.Alertmanager(wanted, lab.Layout{})
	must(t, err)
	specs := []lab.Spec{prometheus, alertmanager}
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

func TestServersOfASourceAreAskedForByName(t *testing.T) {
	arm := lab.Spec{Name: "varnish", Program: "varnish"}
	arm.Source = lab.Source{Executable: "varnishd", Packages: []string{"varnish", "varnish-modules"}}
	if got := lacking().missing([]lab.Spec{arm}); !slices.Equal(got, []string{"varnish"}) {
		t.Errorf("missing are %v, want the name that deps.sh knows", got)
	}
	err := lacking().resolve([]lab.Spec{arm})
	if err == nil || !strings.HasPrefix(err.Error(), "varnishd missing") || !strings.Contains(err.Error(), " varnish varnish-modules;") {
		t.Errorf("error %v, want one that names the packages", err)
	}
}

func TestMissingPostgresSaysWhatToDo(t *testing.T) {
	err := lacking().resolve([]lab.Spec{
		topology.Postgres(topology.Topology{}, lab.Layout{}), topology.Redis(topology.Topology{}, lab.Layout{}, 1),
	})
	if err == nil || !strings.HasPrefix(err.Error(), "postgres missing: install with `make deps`") ||
		!strings.Contains(err.Error(), "Docker") {
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
		t.Errorf("as an ordinary user, children are started as %+v", c)
	}
}

func TestAddresses(t *testing.T) {
	a := newAddresses(7, map[string]int{"lb:8000": 8000}, []string{topology.RoleGateway})
	a.one = false
	for _, c := range []struct{ name, got, want string }{
		{name: "the first node", got: a.listen("redis", 6379), want: "127.0.7.2:6379"},
		{name: "another one", got: a.listen("gateway-1", 8000), want: "127.0.7.3:8000"},
		{name: "the same again", got: a.listen("redis", 6379), want: "127.0.7.2:6379"},
		{name: "others reach it as it listens", got: a.dial("redis", 6379), want: "127.0.7.2:6379"},
		{name: "or through its proxy", got: a.dial("gateway-1", 8000), want: "127.0.7.103:8000"},
		{name: "a fixed port", got: a.dial("lb", 8000), want: "127.0.0.1:8000"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
	a.one = true
	if one, other := a.listen("redis", 1), a.listen("redis", 2); one == other || one != a.listen("redis", 1) ||
		!strings.HasPrefix(one, "127.0.0.1:") {
		t.Errorf("with one address: %s and %s", one, other)
	}
}

func TestFolderOfSomebodyElseIsRefused(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	must(t, os.Symlink("/", base()))
	if _, err := New(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "is not a folder of this user") {
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

// TestContextSwitchesOfAllThreadsAreCounted has threads wait that are not the process's first.
func TestContextSwitchesOfAllThreadsAreCounted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the system does not tell")
	}
	pids := []int{os.Getpid()}
	before := switchesOf(pids)
	const waits = 50
	slept := make(chan struct{})
	go func() {
		defer close(slept)
		runtime.LockOSThread() // its own, to the end
		for range waits {
			_ = syscall.Nanosleep(&syscall.Timespec{Nsec: 1000}, nil) // a signal may end it early, having switched
		}
		if n := switchesOf(pids); n < before+waits/2 {
			t.Errorf("%d context switches before %d waits of a thread, and %d after", before, waits, n)
		}
	}()
	<-slept
}

// TestUsageIsFinerThanATick lets a process work for less than a hundredth of a second, the unit of /proc/PID/stat.
func TestUsageIsFinerThanATick(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the system tells hundredths of a second only")
	}
	pids := []int{os.Getpid()}
	finer := false
	for range 20 {
		before, _ := usageOf(pids)
		for began := time.Now(); time.Since(began) < 2*time.Millisecond; { // work
		}
		after, _ := usageOf(pids)
		finer = finer || after-before > 0 && (after-before)%(10*time.Millisecond) != 0
	}
	if !finer {
		t.Error("20 pieces of work of 2 ms were all seen as whole hundredths of a second")
	}
}

// TestSlotsOfOtherFoldersAreSeen holds that labs with another TMPDIR do not take the same addresses.
func TestSlotsOfOtherFoldersAreSeen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere nodes share one address, and free ports are looked for")
	}
	t.Setenv("TMPDIR", t.TempDir())
	first, err := claim(nil, "a", false)
	must(t, err)
	defer func() { must(t, first.remove()) }()
	t.Setenv("TMPDIR", t.TempDir())
	second, err := claim(nil, "b", false)
	must(t, err)
	if second.slot == first.slot {
		t.Errorf("both have slot %d", first.slot)
	}
	must(t, second.remove())
}
