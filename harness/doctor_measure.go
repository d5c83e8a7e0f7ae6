package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatelab/harness/internal/gate"
	"gatelab/harness/internal/load"
)

// measuredMachine is what a machine can do, and how much alike.
type measuredMachine struct {
	ceiling float64 // closed-loop, null server, requests a second
	steal   *float64
	cpu     gate.Noise // of the worker's CPU a request
	p99     gate.Noise
	qps     gate.Noise
	lagP99  float64 // ms, median of the open attacks
	rate    float64
	wrk     *besideWrk // nil: it is not installed
	cpuOK   bool
	p99OK   bool
	qpsOK   bool
}

// Of the doctor's measurement: pairs of like attacks, one right after the other.
const (
	doctorPairs  = 6
	doctorClosed = 800 * time.Millisecond
	doctorOpen   = 1300 * time.Millisecond
)

// measureMachine attacks a null server in a process of its own, on loopback,
// for about half a minute; a whole one where wrk can be compared with.
func measureMachine(ctx context.Context, w io.Writer) (*measuredMachine, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	api, null, ended, err := startWorker(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { // before the program ends, or the worker would outlive it
		cancel()
		<-ended // interrupted, and killed after a while where that is not enough
	}()
	fmt.Fprintf(w, "\nmeasuring the machine, about %.0f s ...\n", (2*time.Second + 2*doctorPairs*(doctorClosed+doctorOpen+400*time.Millisecond)).Seconds())
	c := load.NewClient("http://" + api)
	defer c.Close()
	m := &measuredMachine{}
	first, all := stealTicks()
	n := 0
	attack := func(model string, rate float64, connections int, d time.Duration) (*load.Result, error) {
		n++
		return c.Run(ctx, load.Attack{
			ID: "doctor-" + strconv.Itoa(n), Model: model, Target: "http://" + null, Rate: rate, Connections: connections,
			Warmup: 200 * time.Millisecond, Duration: d, Timeout: 5 * time.Second, Requests: []load.Request{{Name: "null", Path: "/"}},
		}, nil)
	}
	res, err := attack(load.Closed, 0, 64, 2*time.Second)
	if err != nil {
		return nil, fmt.Errorf("ceiling: %w", err)
	}
	m.ceiling, m.rate = res.QPS(), min(1000, res.QPS()/10)
	var cpu, p99, qps [2][]float64
	var lags []float64
	for range doctorPairs {
		for arm := range 2 {
			open, err := attack(load.Open, m.rate, 16, doctorOpen)
			if err != nil {
				return nil, fmt.Errorf("open-loop: %w", err)
			}
			closed, err := attack(load.Closed, 0, 64, doctorClosed)
			if err != nil {
				return nil, fmt.Errorf("closed-loop: %w", err)
			}
			cpu[arm] = append(cpu[arm], open.WorkerCPUSeconds/float64(max(open.Requests, 1)))
			p99[arm] = append(p99[arm], float64(open.Corrected.Quantile(0.99)))
			qps[arm] = append(qps[arm], closed.QPS())
			lags = append(lags, open.Lag.Quantile(0.99).Seconds()*1000)
		}
	}
	m.cpu, m.cpuOK = gate.NoiseOf(cpu[0], cpu[1])
	m.p99, m.p99OK = gate.NoiseOf(p99[0], p99[1])
	m.qps, m.qpsOK = gate.NoiseOf(qps[0], qps[1])
	slices.Sort(lags)
	m.lagP99 = lags[len(lags)/2]
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
	for _, one := range []struct {
		what string
		n    gate.Noise
		ok   bool
	}{{"A/A CPU/request", m.cpu, m.cpuOK}, {"A/A p99", m.p99, m.p99OK}, {"A/A QPS", m.qps, m.qpsOK}} {
		f := finding{what: one.what, level: "ok", found: "not measured"}
		if one.ok {
			f.found = fmt.Sprintf("the same thing twice: spread %.0f%%, in pairs %.0f%%", one.n.CV*100, one.n.Pairs*100)
		}
		out = append(out, f)
	}
	return out
}

func (m *measuredMachine) conclusions() []string {
	margins := gate.DefaultMargins()
	say := func(what string, n gate.Noise, ok bool, margin float64) string {
		if !ok {
			return what + ": nothing can be concluded, it was not measured"
		}
		found, within := n.Detectable(18, margin)
		s := fmt.Sprintf("%s: a gate of 18 pairs finds a rise of %.0f%% or more, four times of five", what, (found-1)*100)
		if within < 1 {
			return s + fmt.Sprintf("; equal builds will often be INCONCLUSIVE at a margin of %.0f%%", margin*100)
		}
		return s + fmt.Sprintf("; one of up to %.0f%% passes", (within-1)*100)
	}
	out := []string{
		say("CPU per request", m.cpu, m.cpuOK, margins.CPU),
		say("p99", m.p99, m.p99OK, margins.P99),
		fmt.Sprintf("QPS: differences below %.0f%% between two single runs are noise", 2*100*m.qps.CV),
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
			return "", "", nil, errors.Join(errors.New("the worker ended"), how)
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
