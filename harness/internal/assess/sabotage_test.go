package assess

import (
	"context"
	"net/http"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/gatelab/gatelab/harness/internal/cgroup"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// Each test here breaks exactly one thing, with a real worker on loopback, and
// looks whether the check that is there for it says so.

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }

func opened(target string, rate float64, d time.Duration) load.Attack {
	return load.Attack{
		ID: "sabotage", Model: load.Open, Target: target, Rate: rate, Connections: 8, Duration: d, Timeout: 10 * time.Second,
		Requests: []load.Request{{Name: "get", Path: "/"}},
	}
}

// attackAs carries an attack out and gives it with its readings.
func attackAs(t *testing.T, c *load.Client, a load.Attack) *Recording {
	t.Helper()
	return attackTold(t, c, a, nil)
}

// attackTold is attackAs for who wants to know how far it is.
func attackTold(t *testing.T, c *load.Client, a load.Attack, told func(load.Progress)) *Recording {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first := readings.ReadMachineOnly()
	res, err := c.Run(ctx, a, told)
	if err != nil {
		t.Fatal(err)
	}
	return &Recording{Result: res, Readings: []readings.Reading{first, readings.ReadMachineOnly()}, Round: 1}
}

func checksOf(a *Recording) []measure.Check {
	stage := &scenario.Stage{Name: "sabotage", Rounds: 1, SLO: slo.Objectives{slo.At(slo.Errors, "", 0.001)}}
	return measure.Run((&Measurement{Stage: stage, Empty: true}).Facts(a))
}

// want fails unless the named check has the verdict, and a remedy to give.
func want(t *testing.T, checks []measure.Check, name string, v measure.Verdict) {
	t.Helper()
	for _, c := range checks {
		if c.Name != name {
			continue
		}
		if c.Verdict != v {
			t.Errorf("%s: %s (%s), want %s", name, c.Verdict, c.Saw, v)
		}
		if c := Checked(c, "open"); v != measure.OK && v != measure.Skipped && c.Remedy == "" {
			t.Errorf("%s: nothing is said about what to do", name)
		}
		return
	}
	t.Errorf("there is no check %q", name)
}

// The worker runs a tenth of every half second: what is due in the rest is sent
// that late. The rate is one that it can do in its tenth, as requests that wait
// for each other make latencies beside which a late send does not show.
func TestSabotageAWorkerWithATenthOfACore(t *testing.T) {
	c, p := child(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			_ = p.Signal(syscall.SIGSTOP)
			time.Sleep(450 * time.Millisecond)
			_ = p.Signal(syscall.SIGCONT)
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	a := attackAs(t, c, opened(serve(t, fine), 200, 6*time.Second))
	close(stop)
	<-done
	// How it shows depends on how much the worker gets done in its tenth: sends
	// are late, or are not made at all.
	checks := checksOf(a)
	if !slices.ContainsFunc(checks, func(c measure.Check) bool {
		return c.Verdict == measure.Invalid && (c.Name == "send lag" || c.Name == "rate kept")
	}) {
		t.Errorf("neither late sends nor missing ones were seen: %+v", checks)
	}
}

func TestSabotageAStalledWorker(t *testing.T) {
	c, p := child(t)
	// A quarter of the time, and at a rate that leaves the worker idle: what was
	// delayed is sent in a fraction of the stall, also on a busy machine.
	var stall sync.Once
	a := attackTold(t, c, opened(serve(t, fine), 200, 6*time.Second), func(now load.Progress) {
		if now.Requests < 100 {
			return
		}
		stall.Do(func() {
			_ = p.Signal(syscall.SIGSTOP)
			time.AfterFunc(1500*time.Millisecond, func() { _ = p.Signal(syscall.SIGCONT) })
		})
	})
	want(t, checksOf(a), "send lag", measure.Invalid)
	// The stall is in the corrected latency and not in the service latency of
	// the requests that were sent late.
	corrected, service := a.Result.Corrected.Quantile(0.9), a.Result.Service.Quantile(0.9)
	if corrected < 300*time.Millisecond || service > corrected/2 {
		t.Errorf("a stall of 1.5 s: corrected p90 %v, service %v", corrected, service)
	}
}

// A caller that does not fetch progress and result in time must not matter: the
// worker measures by itself.
func TestAStalledCallerIsNoSabotage(t *testing.T) {
	c := inProcess(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stalled := false
	// Few requests, the last one due half a second before the end: a machine that
	// holds the worker up for less than that makes it lose none.
	a := opened(serve(t, fine), 2, 2500*time.Millisecond)
	res, err := c.Run(ctx, a, func(load.Progress) {
		if !stalled {
			stalled = true
			time.Sleep(3 * time.Second)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, checksOf(&Recording{Result: res}), "rate kept", measure.OK)
}

// Of two workers one dies: what the other one did is no half of the attack that anybody asked for.
func TestSabotageAWorkerOfTwoThatDies(t *testing.T) {
	first, _ := child(t)
	second, p := child(t)
	both := load.NewWorkers(load.Worker{Name: "worker", Client: first}, load.Worker{Name: "worker-2", Client: second})
	run := func(told func(load.Progress)) []measure.Check {
		res, err := both.Run(t.Context(), opened(serve(t, fine), 200, 3*time.Second), told)
		if err != nil {
			t.Fatal(err)
		}
		return checksOf(&Recording{Result: res})
	}
	whole := run(nil)
	if c := find(t, whole, measure.Together); strings.Contains(c.Saw, "lost") {
		t.Errorf("%s, where none died", c)
	}
	var once sync.Once
	broken := run(func(now load.Progress) {
		if now.Requests > 100 {
			once.Do(func() { _ = p.Kill() })
		}
	})
	want(t, broken, measure.Together, measure.Invalid)
	want(t, broken, "rate kept", measure.Invalid)
	if c := find(t, broken, measure.Together); !strings.Contains(c.Saw, "1 of 2 workers: worker-2 lost after") {
		t.Errorf("%s, want which one was lost", c)
	}
}

func find(t *testing.T, checks []measure.Check, name string) measure.Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no check %q", name)
	return measure.Check{}
}

func TestSabotageACapOfTenWorkers(t *testing.T) {
	a := opened(serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		fine(w, r)
	}), 400, time.Second)
	a.MaxWorkers, a.Connections = 10, 0
	checks := checksOf(attackAs(t, inProcess(t), a))
	want(t, checks, "workers", measure.Invalid)
	want(t, checks, "rate kept", measure.Invalid)
}

func TestSabotageWrongBodies(t *testing.T) {
	a := opened(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Origin-Body", "0000000000000000")
		_, _ = w.Write([]byte("not what the origin sent"))
	}), 200, time.Second)
	a.SampleEvery = 1
	want(t, checksOf(attackAs(t, inProcess(t), a)), "right content", measure.Invalid)
}

// Errors that are fast make the mean better; so they are in no latency.
func TestSabotageErrorsThatAreFast(t *testing.T) {
	var n atomic.Uint64
	got := attackAs(t, inProcess(t), opened(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		time.Sleep(20 * time.Millisecond)
		fine(w, r)
	}), 100, 2*time.Second))
	want(t, checksOf(got), "errors", measure.Invalid)
	if c := got.Result.Corrected.Count(); c != got.Result.Successes {
		t.Errorf("%d latencies of %d successes: errors are among them", c, got.Result.Successes)
	}
	if p := got.Result.Corrected.Quantile(0.01); p < 20*time.Millisecond {
		t.Errorf("the fastest success took %v: errors are among them", p)
	}
}

func TestSabotageAColdCache(t *testing.T) {
	if testing.Short() {
		t.Skip("a slope wants seconds")
	}
	began := time.Now()
	var n atomic.Uint64
	got := attackAs(t, inProcess(t), opened(serve(t, func(w http.ResponseWriter, r *http.Request) {
		// Hits in proportion to the time that has passed, as a cache that fills.
		status := "Miss"
		if n.Add(1)%6 < uint64(time.Since(began)/time.Second) {
			status = "Hit"
		}
		w.Header().Set("X-Cache-Status", status)
		fine(w, r)
	}), 100, 6*time.Second))
	want(t, checksOf(got), "steady state", measure.Warning)
	if got.Steady() {
		t.Error("the attack would not be made again")
	}
}

func TestSabotageAClosedLoopReadAsOpen(t *testing.T) {
	a := opened(serve(t, fine), 0, time.Second)
	a.Model, a.Connections = load.Closed, 4
	got := attackAs(t, inProcess(t), a)
	checks := checksOf(got)
	want(t, checks, "rate kept", measure.Skipped)
	want(t, checks, "send lag", measure.Skipped)
	if got.Result.Corrected.Count() != 0 {
		t.Error("a closed loop has no intended times to correct by")
	}
	// A latency that a closed stage has all the same is removed.
	s := result.Stage{Name: "x", Valid: true, Load: result.Load{Model: result.Closed}, LatencyMS: Latency(got.Result.Service)}
	r := result.Result{Stages: []result.Stage{s}}
	r.Settle()
	if r.Stages[0].LatencyMS != nil {
		t.Error("a closed loop's latency is shown as a user's")
	}
}

func TestSabotageTooFewSamples(t *testing.T) {
	got := attackAs(t, inProcess(t), opened(serve(t, fine), 200, time.Second))
	want(t, checksOf(got), "enough samples", measure.Warning)
	if l := Latency(got.Result.Corrected); l == nil || l.P99 != nil || l.P999 != nil {
		t.Errorf("percentiles of %d samples: %+v", got.Result.Successes, l)
	}
}

func TestSabotageANoisyNeighbour(t *testing.T) {
	if readings.ReadMachine().Pressure == nil {
		t.Skip("the kernel has no pressure stall information")
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	burners := 4 * runtime.NumCPU()
	var cmds []*exec.Cmd
	for range burners { // processes, so that the scheduler's queue is what grows
		// A waiting process counts as pressure whatever its priority. So the tests
		// that run beside this one keep most of the machine.
		c := exec.Command("nice", "-n", "19", "sh", "-c", "while :; do :; done")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, c)
	}
	go func() {
		defer close(done)
		<-stop
		for _, c := range cmds {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}()
	got := attackAs(t, inProcess(t), opened(serve(t, fine), 100, 2*time.Second))
	close(stop)
	<-done
	want(t, checksOf(got), "host", measure.Warning)
}

func TestSabotageConnectionsThatAreNotReused(t *testing.T) {
	got := attackAs(t, inProcess(t), opened(serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		fine(w, r)
	}), 200, time.Second))
	want(t, checksOf(got), "connections", measure.Invalid)
	for _, c := range checksOf(got) {
		if c.Name == "connections" && !strings.Contains(c.Saw, "TIME-WAIT") {
			t.Errorf("TIME-WAIT is not told: %s", c.Saw)
		}
	}
}

// The control group that is read is that of the whole machine, as it was of a
// process that had just been killed: the replica seems to use more than its limit.
func TestSabotageAnotherControlGroup(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no control groups")
	}
	self, err := procfs.Self()
	if err != nil {
		t.Fatal(err)
	}
	groups, err := self.Cgroups()
	if err != nil {
		t.Fatal(err)
	}
	for i := range groups {
		groups[i].Path = "/"
	}
	whole, err := cgroup.Of(cgroup.Root, groups)
	if err != nil {
		t.Skipf("the root group has no accounting here (cgroup v2): %v", err)
	}
	got := attackAs(t, inProcess(t), opened(serve(t, fine), 100, time.Second))
	for i := range got.Readings {
		got.Readings[i].Usage = map[string]lab.Usage{"gateway-1": {CPUSeconds: whole.CPU.Seconds(), MemoryBytes: whole.Memory}}
	}
	stage := &scenario.Stage{Name: "sabotage", Rounds: 1}
	stage.Topology.Nodes = map[string]scenario.Node{"gateway": {Memory: 4 << 20}}
	m := &Measurement{Stage: stage, Empty: true, Conditions: Conditions{Limited: true, HostMemory: readings.HostMemory()}}
	want(t, measure.Run(m.Facts(got)), "memory", measure.Invalid)
	m.Conditions.Limited = false // as processes, without a limit, the figure is possible
	want(t, measure.Run(m.Facts(got)), "memory", measure.OK)
	m.Conditions.HostMemory = whole.Memory / 2
	want(t, measure.Run(m.Facts(got)), "memory", measure.Invalid)
}

func TestDurabilityIsPrinted(t *testing.T) {
	got := shortcuts(map[string]map[string]string{"redis": {"appendonly": "no", "save": ""}, "postgres": {"fsync": "off", "jit": "off"}})
	if s := strings.Join(got, ", "); s != `postgres fsync="off", redis appendonly="no", redis save=""` {
		t.Errorf("traded for speed: %s", s)
	}
	if got := shortcuts(map[string]map[string]string{"postgres": {"fsync": "on"}}); len(got) != 0 {
		t.Errorf("a durable setting is called a shortcut: %v", got)
	}
}
