package contest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stats"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// turnFor is about how long an arm is attacked, open-loop, before the next one takes its turn.
const turnFor = 250 * time.Millisecond

// Of what is sent before a policy's first round.
const (
	warmFor  = 250 * time.Millisecond
	warmRate = 800.0 // requests per second and arm
)

// requestWithin is the time-out of one request.
const requestWithin = 5 * time.Second

// round is one round of an arm.
type round struct {
	session.Turns              // of the open loop
	closed        *load.Result // nil: none
}

// restartWithin bounds the restart of one arm.
const restartWithin = 45 * time.Second

// rounds measures all arms in turns.
func (c *contest) rounds(ctx context.Context, s *session.Session, p *policy.Policy, took *phases, rate float64, arms []*arm) error {
	m, err := c.measurer(s, p, rate)
	if err != nil {
		return err
	}
	m.took = took
	for n := 1; n <= c.Set.Load.Rounds; n++ {
		c.doing("%s: round %d of %d", p.Name, n, c.Set.Load.Rounds)
		if err := m.round(ctx, n, arms); err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
	}
	return nil
}

func (c *contest) measurer(s *session.Session, p *policy.Policy, rate float64) (*measurer, error) {
	requests, err := p.Requests(time.Now())
	if err != nil {
		return nil, err
	}
	certificate, err := sut.LabCertificate()
	if err != nil {
		return nil, err
	}
	return &measurer{
		session: s, policy: p, load: c.Set.Load, rate: rate, requests: requests, seed: c.Set.Seed, roots: string(certificate.Public),
		took: &phases{},
	}, nil
}

// measurer sends the attacks of one policy.
type measurer struct {
	session  *session.Session
	policy   *policy.Policy
	load     policy.Load
	rate     float64
	requests []load.Request
	seed     uint64
	roots    string       // of the arms' certificate, in PEM
	keep     bool         // the processes are not restarted before each round
	sent     atomic.Int64 // attacks so far
	took     *phases      // of the row
}

// attack is one straight on an arm.
func (m *measurer) attack(a *arm, model string, round int, length time.Duration) load.Attack {
	out := load.Attack{
		ID:    fmt.Sprintf("%s-%s-%s-%d-%d", m.policy.Name, a.System.Name, model, round, m.sent.Add(1)),
		Model: model, Target: a.target(m.session), Connections: m.load.Connections,
		Warmup: 50 * time.Millisecond, Duration: length, Timeout: requestWithin,
		Seed: m.seed + uint64(round), Requests: m.requests, SampleEvery: session.HashEvery, //nolint:gosec // small
	}
	its := m.policy.Client
	if its.Connections > 0 {
		out.Connections = its.Connections
	}
	if its.TLS() {
		out.TLS = &load.TLS{Roots: m.roots, Name: sut.ServerName}
	}
	out.Streams, out.Reconnect = its.Streams, its.Reconnect
	out.WebSocket = m.policy.WebSocket
	if model != load.Closed {
		out.Rate = m.rate
	}
	if m.policy.ResponseBody != nil || a.System.Own || m.policy.WebSocket {
		out.SampleEvery = 0 // the body is not the origin's, by design, or need not be; every message is compared in any case
	}
	return out
}

// renew restarts an arm of the lab. The memory layout of a process, and the rhythm of its garbage collector, stay with it for as long as it
// lives, and no number of rounds would average that out.
func (m *measurer) renew(ctx context.Context, a *arm) error {
	if a.System.Address != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, restartWithin)
	defer cancel()
	return m.session.Lab.Restart(ctx, a.System.Name)
}

// warm sends an arm what fills caches and connections.
func (m *measurer) warm(ctx context.Context, a *arm) error {
	attack := m.attack(a, load.Probes, 0, warmFor) // only probes may run side by side
	attack.Rate, attack.Warmup = min(m.rate, warmRate), 0
	if _, err := m.session.Workers.Run(ctx, attack, nil); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}

// round is every arm's open attack, in turns whose order rotates, and then its closed one.
func (m *measurer) round(ctx context.Context, n int, arms []*arm) error {
	if n > 1 && !m.keep { // they have just been started
		restarted := m.took.begin(result.PhaseRestart)
		if err := m.atOnce(ctx, arms, m.renew); err != nil {
			return err
		}
		restarted()
	}
	warmed := m.took.begin(result.PhaseWarmUp)
	if err := m.atOnce(ctx, arms, m.warm); err != nil {
		return err
	}
	warmed()
	for _, a := range arms {
		a.runs = append(a.runs, round{})
	}
	turns := max(int(m.load.Open/turnFor), 1)
	for turn := range turns {
		if err := m.inTurn(ctx, stats.Order(arms, n+turn), func(a *arm) error {
			return m.turn(ctx, n, a, m.load.Open/time.Duration(turns))
		}); err != nil {
			return err
		}
	}
	if m.load.Closed <= 0 {
		return nil
	}
	return m.inTurn(ctx, stats.Order(arms, n), func(a *arm) (err error) {
		if a.System.Address != "" {
			return nil // it would be sent as much as it takes
		}
		defer m.took.begin(result.PhaseClosed)()
		a.runs[n-1].closed, err = m.session.Workers.Run(ctx, m.attack(a, load.Closed, n, m.load.Closed), nil)
		return err
	})
}

// inTurn does something with one arm after the other. An arm with which it fails is lost, and costs the others nothing.
func (m *measurer) inTurn(ctx context.Context, arms []*arm, do func(*arm) error) error {
	for _, a := range arms {
		if a.lost != nil {
			continue
		}
		if err := do(a); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			a.lost = err
			m.session.Step("%s, %s: lost: %v", m.policy.Name, a.System.Name, err)
		}
		rested := m.took.begin(result.PhasePause)
		if err := session.Rest(ctx, 30*time.Millisecond); err != nil {
			return err
		}
		rested()
	}
	return nil
}

// atOnce does something with all arms at the same time; likewise.
func (m *measurer) atOnce(ctx context.Context, arms []*arm, do func(context.Context, *arm) error) error {
	var group sync.WaitGroup
	for _, a := range arms {
		if a.lost == nil {
			group.Go(func() { a.lost = do(ctx, a) })
		}
	}
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// turn attacks one arm for one turn.
func (m *measurer) turn(ctx context.Context, n int, a *arm, length time.Duration) error {
	defer m.took.begin(result.PhaseOpen)()
	usage := func(ctx context.Context) (lab.Usage, error) { return a.usage(ctx, m.session) }
	return a.runs[n-1].Take(ctx, m.session.Workers, m.attack(a, load.Open, n, length), usage)
}
