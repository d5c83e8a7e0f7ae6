package doctor

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
)

// machine is what was measured of a machine.
type machine struct {
	ceiling float64         // closed-loop against the null server, in requests per second
	steal   *float64        // share of CPU time, 0 to 1; nil if unknown
	metrics []repeatability // how much the same thing differs
	lagP99  float64         // of sending, in milliseconds; the median of the open-loop attacks
	rate    float64         // of the open-loop attacks, in requests per second
	wrk     *wrkComparison  // nil if wrk is not installed
}

// measureWithin is the time limit for all measurements.
const measureWithin = 3 * time.Minute

// measure attacks a null server in a process of its own, on loopback, for about a minute, and half a minute longer if wrk is installed.
func measure(ctx context.Context, w io.Writer, harness string) (*machine, error) {
	ctx, cancel := context.WithTimeout(ctx, measureWithin)
	defer cancel()
	worker, err := startWorker(ctx, harness)
	if err != nil {
		return nil, err
	}
	defer worker.stop()
	takes := 2*time.Second + 4*pairs*turns*(turn+warmup)
	if _, err := exec.LookPath("wrk"); err == nil {
		takes += wrkTakes
	}
	fmt.Fprintf(w, "\nmeasuring the machine, about %.0f s ...\n", takes.Seconds())
	progress := newProgress(w, takes)
	client := load.NewClient("http://" + worker.api)
	defer client.Close()
	n := 0
	var attack attackFunc = func(model string, rate float64, connections int, d time.Duration) (*load.Result, error) {
		n++
		progress.tell()
		return client.Run(ctx, load.Attack{
			ID: "doctor-" + strconv.Itoa(n), Model: model, Target: "http://" + worker.null, Rate: rate, Connections: connections,
			Warmup: warmup, Duration: d, Timeout: 5 * time.Second, Requests: []load.Request{{Name: "null", Path: "/"}},
		}, nil)
	}
	before := readings.ReadMachine()
	m := &machine{}
	res, err := attack(load.Closed, 0, 64, 2*time.Second)
	if err != nil {
		return nil, fmt.Errorf("ceiling: %w", err)
	}
	m.ceiling, m.rate = res.QPS(), min(gateRate, res.QPS()/10)
	if err := m.repeat(attack); err != nil {
		return nil, err
	}
	if m.wrk, err = compareWrk(ctx, worker.null, attack); err != nil {
		return nil, err
	}
	m.steal = before.Steal(readings.ReadMachine())
	return m, nil
}

// tellEvery is the interval at which the progress is told.
const tellEvery = 10 * time.Second

// progress tells how far the measurements are.
type progress struct {
	w           io.Writer
	began, told time.Time
	takes       time.Duration
}

func newProgress(w io.Writer, takes time.Duration) *progress {
	now := time.Now()
	return &progress{w: w, began: now, told: now, takes: takes}
}

// tell writes a line if the last one is old enough.
func (p *progress) tell() {
	if now := time.Now(); now.Sub(p.told) >= tellEvery {
		p.told = now
		fmt.Fprintf(p.w, "  %.0f s of about %.0f\n", now.Sub(p.began).Seconds(), p.takes.Seconds())
	}
}

// findings say what was measured; conclusions what follows from it.
func (m *machine) findings() []Finding {
	out := []Finding{m.ceilingFinding(), m.stealFinding(), m.lagFinding()}
	out = append(out, m.wrk.findings()...)
	for _, one := range m.metrics {
		f := Finding{Check: "A/A " + one.metric, Level: OK, Found: "not measured"}
		if one.measured {
			f.Found = fmt.Sprintf("the same thing twice, in turns: spread %.0f%%, in pairs %.0f%%", one.noise.CV*100, one.noise.Pairs*100)
		}
		out = append(out, f)
	}
	return out
}

func (m *machine) ceilingFinding() Finding {
	f := Finding{Check: "ceiling", Level: OK, Found: fmt.Sprintf("%.0f requests/s against a server that does nothing: "+
		"up to half of that a figure is the target's and not the generator's", m.ceiling)}
	if m.ceiling < 4000 {
		f.Level, f.Remedy = Warn, "this machine can measure little more than CPU per request"
	}
	return f
}

func (m *machine) stealFinding() Finding {
	f := Finding{Check: "steal", Level: OK, Found: "unknown"}
	if m.steal != nil {
		f.Found = fmt.Sprintf("%.1f%% of CPU time was taken by the hypervisor", *m.steal*100)
		if *m.steal > 0.02 {
			f.Level, f.Remedy = Warn, "run when the host is quiet: latency and QPS depend on other machines as well"
		}
	}
	return f
}

func (m *machine) lagFinding() Finding {
	f := Finding{Check: "send lag", Level: OK, Found: fmt.Sprintf("p99 %.2f ms at %.0f requests/s", m.lagP99, m.rate)}
	if m.lagP99 > 1 {
		f.Level, f.Remedy = Warn, "requests are sent late even without a gateway: latency below ten times the lag is not reliable here"
	}
	return f
}

// conclusions say what can be concluded from measurements on this machine, one per line.
func (m *machine) conclusions() []string {
	var out []string
	for _, one := range m.metrics {
		out = append(out, one.conclusion())
	}
	if m.lagP99 > 1 {
		out = append(out, "absolute latency: cannot be concluded here while the send lag is above 1 ms")
	} else {
		out = append(out, fmt.Sprintf("absolute latency: reliable from %.1f ms", 10*m.lagP99))
	}
	return append(out, "absolute QPS: valid for this machine only, where generator and gateway share the cores; "+
		"CPU per request can be compared with other machines")
}
