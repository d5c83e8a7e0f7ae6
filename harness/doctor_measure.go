package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/subprocess"
)

// measuredMachine is what a machine can do, and how much alike.
type measuredMachine struct {
	ceiling float64 // closed-loop, null server, requests a second
	steal   *float64
	alike   []alike
	lagP99  float64 // ms, median of the open attacks
	rate    float64
	wrk     *besideWrk // nil: it is not installed
}

// measureMachine attacks a null server in a process of its own, on loopback,
// for about a minute; half of one more where wrk can be compared with.
func measureMachine(ctx context.Context, w io.Writer) (*measuredMachine, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	api, null, ended, err := startWorker(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { // before the program ends, or the worker would outlive it
		cancel()
		<-ended // interrupted, and killed after a while where that is not enough
	}()
	fmt.Fprintf(w, "\nmeasuring the machine, about %.0f s ...\n", (2*time.Second + 4*doctorPairs*doctorTurns*(doctorTurn+doctorWarmup)).Seconds())
	c := load.NewClient("http://" + api)
	defer c.Close()
	m := &measuredMachine{}
	first, all := stealTicks()
	n := 0
	var attack attacker = func(model string, rate float64, connections int, d time.Duration) (*load.Result, error) {
		n++
		return c.Run(ctx, load.Attack{
			ID: "doctor-" + strconv.Itoa(n), Model: model, Target: "http://" + null, Rate: rate, Connections: connections,
			Warmup: doctorWarmup, Duration: d, Timeout: 5 * time.Second, Requests: []load.Request{{Name: "null", Path: "/"}},
		}, nil)
	}
	res, err := attack(load.Closed, 0, 64, 2*time.Second)
	if err != nil {
		return nil, fmt.Errorf("ceiling: %w", err)
	}
	m.ceiling, m.rate = res.QPS(), min(gateRate, res.QPS()/10)
	if err := m.compare(attack); err != nil {
		return nil, err
	}
	if m.wrk, err = measureWrk(ctx, null, attack); err != nil {
		return nil, err
	}
	if now, allNow := stealTicks(); allNow > all {
		s := float64(now-first) / float64(allNow-all)
		m.steal = &s
	}
	return m, nil
}

// findings say what was measured, conclusions what may be concluded from it.
func (m *measuredMachine) findings() []finding {
	out := []finding{{what: "ceiling", level: "ok", found: fmt.Sprintf("%.0f requests/s against a server that does nothing: figures up to half of that are the target's, not the generator's", m.ceiling)}}
	if m.ceiling < 4000 {
		out[0].level, out[0].remedy = "note", "this machine can show little more than CPU per request"
	}
	steal := finding{what: "steal", level: "ok", found: "not known"}
	if m.steal != nil {
		steal.found = fmt.Sprintf("%.1f%% of CPU time was taken by the hypervisor", *m.steal*100)
		if *m.steal > 0.02 {
			steal.level, steal.remedy = "note", "run when the host is quiet: latency and QPS are not this machine's own"
		}
	}
	lag := finding{what: "send lag", level: "ok", found: fmt.Sprintf("p99 %.2f ms at %.0f requests/s", m.lagP99, m.rate)}
	if m.lagP99 > 1 {
		lag.level, lag.remedy = "note", "requests leave late even without a gateway: latency below ten times that is not to be believed here"
	}
	out = append(out, steal, lag)
	out = append(out, m.wrk.findings()...)
	for _, one := range m.alike {
		f := finding{what: "A/A " + one.what, level: "ok", found: "not measured"}
		if one.ok {
			f.found = fmt.Sprintf("the same thing twice, in turns: spread %.0f%%, in pairs %.0f%%", one.noise.CV*100, one.noise.Pairs*100)
		}
		out = append(out, f)
	}
	return out
}

func (m *measuredMachine) conclusions() []string {
	var out []string
	for _, one := range m.alike {
		out = append(out, one.conclusion())
	}
	if m.lagP99 > 1 {
		out = append(out, "absolute latency: cannot be concluded here while the send lag is above 1 ms")
	} else {
		out = append(out, fmt.Sprintf("absolute latency: to be believed from %.1f ms on", 10*m.lagP99))
	}
	return append(out, "absolute QPS: belongs to this machine, where generator and gateway share the cores; CPU per request is what travels")
}

// startWorker starts this program as a worker with a null server, on loopback.
// It ends with ctx, and when it has, ended is closed.
func startWorker(ctx context.Context) (api, null string, ended <-chan struct{}, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", "", nil, fmt.Errorf("find this program: %w", err)
	}
	addrs := make([]string, 2)
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", nil, fmt.Errorf("a free port: %w", err)
		}
		addrs[i] = l.Addr().String()
		l.Close()
	}
	cmd := exec.CommandContext(ctx, self, "worker", "--listen", addrs[0], "--null", addrs[1])
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return "", "", nil, fmt.Errorf("start a worker: %w", err)
	}
	over := make(chan struct{})
	var how error
	go func() {
		how = cmd.Wait()
		close(over)
	}()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); {
		select {
		case <-over:
			return "", "", nil, subprocess.Failed(ctx, subprocess.Failure{What: "start a worker", Program: "harness worker",
				Advice: "start the doctor again; if it comes again, harness worker by itself says more"}, cmp.Or(how, errors.New("it ended at once")), said.Bytes())
		case <-time.After(30 * time.Millisecond):
		}
		var d net.Dialer
		if c, err := d.DialContext(ctx, "tcp", addrs[0]); err == nil {
			c.Close()
			return addrs[0], addrs[1], over, nil
		}
	}
	return "", "", nil, errors.Join(errors.New("the worker does not answer within 10 s"), cmd.Process.Kill())
}

// stealTicks are the ticks that the hypervisor took, and all ticks, since the
// machine started; zero where the system does not say.
func stealTicks() (stolen, all uint64) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0, 0
	}
	for i, text := range fields[1:9] {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, 0
		}
		all += n
		if i == 7 {
			stolen = n
		}
	}
	return stolen, all
}
