package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// run is an attack under way.
type run struct {
	attack Attack
	plan   *plan
	rec    *recorder
	dialer *dialer
	usage  *usage

	started time.Time // the first request's time
	began   time.Time // of the measured window
	ends    time.Time // of the measured window: nothing is sent any more

	cancel  context.CancelFunc
	over    chan struct{} // closed when result is set
	result  *Result
	stopped atomic.Bool
	stopAt  atomic.Int64 // nanoseconds after started at which it was stopped
}

// start begins an attack. It goes on until it is over or stopped; over is
// closed then.
func start(a Attack) (*run, error) {
	a = a.withDefaults()
	p, err := newPlan(a)
	if err != nil {
		return nil, err
	}
	r := &run{attack: a, plan: p, rec: newRecorder(p), over: make(chan struct{})}
	r.dialer = newDialer(p.address, r.inWindow, func() { r.rec.dialed.Add(1) })
	if a.Standby != "" {
		if r.dialer.standby, err = hostPort(a.Standby); err != nil {
			return nil, fmt.Errorf("standby: %w", err)
		}
	}
	r.started = time.Now()
	r.began = r.started.Add(a.Warmup)
	r.ends = r.began.Add(a.Duration)
	r.usage = watchUsage(r.began, r.ends)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.work(ctx)
	return r, nil
}

func (r *run) inWindow() bool {
	now := time.Now()
	return !now.Before(r.began) && now.Before(r.ends)
}

func (r *run) work(ctx context.Context) {
	defer close(r.over)
	// Ending the connections ends what waits for an answer.
	undo := context.AfterFunc(ctx, r.dialer.closeAll)
	var open openStats
	if r.attack.Model == Closed {
		r.runClosed(ctx)
	} else {
		open = r.runOpen(ctx)
	}
	undo()
	r.cancel()
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
	res.WorkerCPUSeconds = r.usage.stop()
	res.WorkerCores = cores()
	res.FDLimit = fdLimit()
	res.TimeWait = timeWait()
	r.result = res
}

// stop ends the attack at once. What has no answer yet is not counted.
func (r *run) stop() {
	if r.stopped.CompareAndSwap(false, true) {
		r.stopAt.Store(int64(time.Since(r.started)))
	}
	r.cancel()
}

// state is what the attack does now.
func (r *run) state() string {
	select {
	case <-r.over:
		if r.stopped.Load() {
			return Aborted
		}
		return Done
	default:
	}
	switch now := time.Now(); {
	case now.Before(r.began):
		return Warming
	case now.Before(r.ends):
		return Running
	}
	return Draining
}

// progress is what is known so far, with the series from second from on.
func (r *run) progress(from int) Progress {
	p := Progress{ID: r.attack.ID, State: r.state(), Total: r.attack.Warmup + r.attack.Duration}
	p.Elapsed = min(time.Since(r.started), p.Total)
	p.Counts, p.Errors = r.rec.counts()
	p.Series = r.rec.seconds(from)
	// The last full second: before the one in which now lies.
	now := time.Since(r.began)
	full := int(now/time.Second) - 1
	if now < 0 {
		full = -int(-now/time.Second) - 2
	}
	full = min(full, int(r.attack.Duration/time.Second)-1)
	for _, s := range p.Series {
		if s.Offset == full {
			p.QPS, p.P50, p.P99 = float64(s.Successes), s.P50, s.P99
		}
	}
	return p
}
