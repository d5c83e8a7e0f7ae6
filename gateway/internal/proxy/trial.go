package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Trial is a second snapshot, which serves a part of the requests, and what was
// counted while both served. It lasts as long as the trial, over several snapshots
// of the configuration that holds.
type Trial struct {
	entity.Trial // without its configuration

	failed  atomic.Pointer[error] // why there is no snapshot; nil: there is one
	stopped atomic.Bool

	stable, tried served
}

// choice is what decides, as part of a snapshot, which one serves a request. It never
// changes.
type choice struct {
	trial    *Trial
	snapshot *snapshot // nil: it could not be made
	all      bool      // of this replica all requests take part
	header   string    // "": none
	value    string
	share    uint64 // of shareWhole
	byClient bool
	seed     uint64
	trusted  trustedProxies
}

// shareWhole is all of the requests.
const shareWhole = 1 << 53

// served counts what one of the two configurations has served.
type served struct {
	requests, errors, slow atomic.Int64

	slower  time.Duration         // is slow; 0: nothing is
	classes [6]prometheus.Counter // by the first digit of the status
	latency prometheus.Observer
}

// note counts a request that has ended. How long a tunnel lasts says nothing.
func (s *served) note(status int, took time.Duration, tunnel bool) {
	s.requests.Add(1)
	if status >= fasthttp.StatusInternalServerError {
		s.errors.Add(1)
	}
	if class := status / 100; class > 0 && class < len(s.classes) {
		s.classes[class].Inc()
	}
	if tunnel {
		return
	}
	if s.slower > 0 && took > s.slower {
		s.slow.Add(1)
	}
	s.latency.Observe(took.Seconds())
}

func (s *served) counts() entity.TrialCounts {
	// Errors first: a request that ends meanwhile must not be an error of none.
	c := entity.TrialCounts{Errors: s.errors.Load(), Slow: s.slow.Load()}
	c.Requests = s.requests.Load()
	return c
}

// About returns what the trial was begun with.
func (t *Trial) About() *entity.Trial { return &t.Trial }

// Failed returns why this replica cannot serve the configuration of the trial, nil
// where it can.
func (t *Trial) Failed() error {
	if err := t.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Stop has this replica serve all requests with the configuration that holds.
func (t *Trial) Stop() { t.stopped.Store(true) }

// Counts returns what this replica has served while the trial ran: with the
// configuration that holds, and with the one that is tried.
func (t *Trial) Counts() (stable, tried entity.TrialCounts) {
	return t.stable.counts(), t.tried.counts()
}

// Trial returns the trial that this replica serves a part of its requests with, nil
// for none.
func (p *Proxy) Trial() *Trial {
	if s := p.snapshot.Load(); s != nil && s.choice != nil {
		return s.choice.trial
	}
	return nil
}

// choose returns the snapshot that a request is served with, and has it counted.
func (c *choice) choose(v *visit, stable *snapshot) *snapshot {
	if c.snapshot == nil || c.trial.stopped.Load() || !c.takes(v.Ctx) {
		v.served = &c.trial.stable
		return stable
	}
	v.served = &c.trial.tried
	return c.snapshot
}

func (c *choice) takes(ctx *fasthttp.RequestCtx) bool {
	if c.all || c.header != "" && string(ctx.Request.Header.Peek(c.header)) == c.value {
		return true
	}
	if c.share == 0 {
		return false
	}
	if !c.byClient {
		return rand.Uint64()>>11 < c.share //nolint:gosec // no secret
	}
	d := xxhash.NewWithSeed(c.seed) // another part of the clients in each trial
	_, _ = d.WriteString(c.client(ctx))
	return d.Sum64()>>11 < c.share
}

// client is the client's address, as requester finds it later on.
func (c *choice) client(ctx *fasthttp.RequestCtx) string {
	peer := peerIP(ctx)
	if len(c.trusted) > 0 && c.trusted.contain(peer) {
		claim := readClaim(&ctx.Request.Header, fieldForwarded)
		peer = c.trusted.lastOther(claim.addresses, peer)
	}
	return peer.String()
}

// newChoice makes what decides between the snapshot that holds and that of a trial. What cannot be
// served is no error of the configuration that holds.
func (p *Proxy) newChoice(t *entity.Trial, stable *snapshot) *choice {
	r := &t.Rules
	c := &choice{
		trial: p.trialOf(t), header: r.Header, value: r.HeaderValue, share: uint64(r.Percent / 100 * shareWhole),
		byClient: r.HashOn == entity.HashOnIP, seed: xxhash.Sum64String(t.ID), trusted: p.config.TrustedProxies,
	}
	for _, name := range r.Replicas {
		c.all = c.all || name == p.config.NodeName
	}
	var err error
	if c.snapshot, err = p.buildTried(t, stable); err != nil {
		c.trial.failed.Store(&err)
		p.log.Error("the configuration of a trial is rejected; serving all requests with the one that holds", "trial", t.Name, "error", err)
		return c
	}
	c.trial.failed.Store(nil)
	return c
}

// buildTried makes the snapshot of a trial, which shares with the one that holds what is
// the same.
func (p *Proxy) buildTried(t *entity.Trial, stable *snapshot) (*snapshot, error) {
	if t.Config == nil {
		return nil, errors.New(t.Problem)
	}
	cfg := *t.Config
	cfg.Revision, cfg.Trial = stable.revision, nil
	return p.build(&cfg, stable)
}

// trialOf finds the trial that is running already, or begins to count for it.
func (p *Proxy) trialOf(t *entity.Trial) *Trial {
	if running := p.Trial(); running != nil && running.ID == t.ID {
		return running
	}
	made := &Trial{Trial: *t}
	made.Config = nil
	slower := time.Duration(t.Rules.MaxP99) * time.Millisecond
	p.trials.prepare(&made.stable, "stable", slower)
	p.trials.prepare(&made.tried, "trial", slower)
	return made
}

// trialMetrics have the requests that were served while a trial ran.
type trialMetrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
}

func newTrialMetrics(reg prometheus.Registerer, p *Proxy) *trialMetrics {
	m := &trialMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_trial_requests_total",
			Help: "Requests served while a trial ran, by configuration (stable, trial) and class of status.",
		}, []string{"configuration", "class"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_trial_request_duration_seconds", Buckets: latencyBuckets,
			Help: "From a request's arrival to its response's end, while a trial ran, by configuration (stable, trial).",
		}, []string{"configuration"}),
	}
	running := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_trial_running", Help: "1 while a part of the requests is served with the configuration of a trial.",
	}, func() float64 {
		if t := p.Trial(); t == nil || t.failed.Load() != nil || t.stopped.Load() {
			return 0
		}
		return 1
	})
	if reg != nil {
		reg.MustRegister(m.requests, m.latency, running)
	}
	return m
}

// prepare gives a counter its metrics.
func (m *trialMetrics) prepare(s *served, configuration string, slower time.Duration) {
	s.slower, s.latency = slower, m.latency.WithLabelValues(configuration)
	for class := 1; class < len(s.classes); class++ {
		s.classes[class] = m.requests.WithLabelValues(configuration, fmt.Sprintf("%dxx", class))
	}
}

// blame is the status that a trial is judged by: what a client can bring about with any
// configuration (another HTTP version, a loop, a deadline of its own) must not end it.
func (v *visit) blame(status int) int {
	if status >= fasthttp.StatusInternalServerError && (v.record.refused != nil || v.Withdrawn) {
		return fasthttp.StatusBadRequest
	}
	return status
}
