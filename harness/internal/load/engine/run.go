package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// run is an attack under way.
type run struct {
	attack load.Attack   // this worker's own part of it
	first  int           // the number of its first connection, among those of all workers
	late   time.Duration // how long after its end an open attack still sends what was due before
	plan   *plan
	rec    *recorder
	dialer *dialer
	multi  *multiplexer // over HTTP/2; nil: HTTP/1.1
	cpu    *cpuMeter

	started time.Time     // the first request's time, before any request is sent if the attack says when it begins
	lag     time.Duration // how much later than that the attack really began; set before result is
	began   time.Time     // of the measured window
	ends    time.Time     // of the measured window: nothing is sent any more

	cancel  context.CancelFunc
	over    chan struct{} // closed when result is set
	result  *load.Result
	stopped atomic.Bool
	stopAt  atomic.Int64 // nanoseconds after started at which it was stopped
}

// start begins an attack. over is closed when it has ended or was stopped.
func start(a load.Attack) (*run, error) { return startLate(a, overtime) }

// startLate begins an attack that still sends for late after its end what was
// due before.
func startLate(a load.Attack, late time.Duration) (*run, error) {
	a = a.WithDefaults()
	p, err := newPlan(a)
	if err != nil {
		return nil, err
	}
	r := &run{late: late, plan: p, rec: newRecorder(p), over: make(chan struct{})}
	r.attack, r.first = a.Own()
	r.dialer = newDialer(p.address, r.inWindow, func() { r.rec.dialed.Add(1) })
	if r.dialer.secure, err = clientTLS(&a); err != nil {
		return nil, err
	}
	if a.Streams > 0 {
		r.multi = newMultiplexer(r)
	}
	if a.Standby != "" {
		if r.dialer.standby, err = load.HostPort(a.Standby); err != nil {
			return nil, fmt.Errorf("standby: %w", err)
		}
	}
	if r.started, err = beginning(a); err != nil {
		return nil, err
	}
	r.began = r.started.Add(a.Warmup)
	r.rec.began = r.began
	r.ends = r.began.Add(a.Duration)
	r.cpu = newCPUMeter(r.began, r.ends)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.work(ctx)
	return r, nil
}

// mostAhead is how far ahead an attack may be told to begin. One that is told more has a clock that is not this worker's.
const mostAhead = time.Minute

// beginning is when an attack's first request is due.
func beginning(a load.Attack) (time.Time, error) {
	now := time.Now()
	if a.Begin == nil {
		return now, nil
	}
	ahead := a.Begin.Sub(now)
	if ahead.Abs() > mostAhead {
		return now, fmt.Errorf("begin: %s is not allowed: want a time within %s of this worker's clock, %s", a.Begin.Format(time.RFC3339Nano),
			mostAhead, now.Format(time.RFC3339Nano))
	}
	return now.Add(ahead), nil
}

// await waits until it is nearly time to begin.
func (r *run) await(ctx context.Context, before time.Duration) {
	if r.attack.Begin != nil {
		sleep(ctx, time.Until(r.started)-before)
	}
}

// beganAt notes when the attack really began.
func (r *run) beganAt(at time.Time) {
	if r.attack.Begin != nil {
		r.lag = max(at.Sub(r.started), 0)
	}
}

func (r *run) inWindow() bool {
	now := time.Now()
	return !now.Before(r.began) && now.Before(r.ends)
}

func (r *run) work(ctx context.Context) {
	defer close(r.over)
	// Ending the connections ends what waits for a response.
	undo := context.AfterFunc(ctx, r.dialer.closeAll)
	var open openStats
	if r.attack.Model == load.Closed {
		r.await(ctx, 0)
		r.beganAt(time.Now())
		r.runClosed(ctx)
	} else {
		r.await(ctx, coarseWait) // the pacer waits for the first request as for any other
		open = r.runOpen(ctx)
	}
	undo()
	r.cancel()
	if r.multi != nil {
		r.multi.close()
	}
	r.dialer.closeAll()

	ended := r.ends
	if r.stopped.Load() {
		if at := r.started.Add(time.Duration(r.stopAt.Load())); at.Before(ended) {
			ended = at
		}
		if ended.Before(r.began) {
			ended = r.began
		}
	}
	res := r.rec.result(r.began, ended)
	res.Stopped = r.stopped.Load()
	res.PeakWorkers, res.WorkerCap = open.peak, open.limit
	res.WorkerCPUSeconds = r.cpu.stop()
	res.WorkerCores = cores()
	res.FDLimit = fileLimit()
	res.TimeWait = timeWait()
	res.Late = r.lag
	res.Place = place()
	r.result = res
}

// stop ends the attack at once. What has no response yet is not counted.
func (r *run) stop() {
	if r.stopped.CompareAndSwap(false, true) {
		r.stopAt.Store(int64(max(time.Since(r.started), 0)))
	}
	r.cancel()
}

// state is what the attack does now.
func (r *run) state() string {
	select {
	case <-r.over:
		if r.stopped.Load() {
			return load.Aborted
		}
		return load.Done
	default:
	}
	switch now := time.Now(); {
	case now.Before(r.began):
		return load.Warming
	case now.Before(r.ends):
		return load.Running
	}
	return load.Draining
}

// progress is what is known so far, with the series from second from on.
func (r *run) progress(from int) load.Progress {
	p := load.Progress{ID: r.attack.ID, State: r.state(), Total: r.attack.Warmup + r.attack.Duration}
	p.Elapsed = min(max(time.Since(r.started), 0), p.Total)
	p.Counts, p.Errors = r.rec.counts()
	p.Series = r.rec.seconds(from)
	// The last full second: before the one in which now lies.
	now := time.Since(r.began)
	full := int(now/time.Second) - 1
	if now < 0 {
		full = -int(-now/time.Second) - 2
	}
	full = min(full, int(r.attack.Duration/time.Second)-1)
	last := r.rec.endedIn(full)
	p.QPS = float64(last.successes)
	p.P50, p.P99 = last.latency.Quantile(0.5), last.latency.Quantile(0.99)
	if r.attack.Part != nil {
		p.Latest = &last.latency
	}
	return p
}
