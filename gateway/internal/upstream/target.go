package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/dns"
	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Target is one host:port of an upstream, or of a service without one, with
// its connections and its health. It lives as long as any configuration names
// it.
type Target struct {
	Address   string
	called    string // host:port that requests are for: another one where a SRV record leads here
	authority string // for the Host header
	upstream  string // id; "" for a service's own host
	key       string
	parent    *Target // whose name has the SRV record that leads here; nil: it is configured
	label     string  // the upstream's name, for metrics
	tls       *tls.Config
	host      *host
	pool      pool
	http2     *http2Pool // nil: it is asked over HTTP/1.1
	inflight  atomic.Int64
	health
	latency    latency
	told       *metrics
	distrusted atomic.Int64 // Unix seconds when it last sent unsolicited bytes; 0: never
	prober     *prober      // guarded by Pools.mu
}

// Config is how targets are reached, and when they are ejected.
type Config struct {
	Keepalive     int           // idle connections kept to each target; 0: none
	KeepaliveIdle time.Duration // how long; 0 is 60 s
	StreamAbove   int           // bytes; larger bodies are streamed; 0 is 64 KiB
	HeaderBytes   int           // of a response's headers, interim ones too; 0 is 64 KiB
	// LookupHost resolves host names; nil is Resolver.
	LookupHost func(ctx context.Context, host string) (addresses []string, err error)
	// Resolver, where LookupHost is nil, knows of TTLs and SRV records; nil is one with
	// its defaults.
	Resolver *dns.Resolver

	RootCAs   *x509.CertPool // who may sign certificates of https upstreams; nil: the system's
	VerifyTLS bool           // check certificates where a service does not say

	// Where no health checks are configured: failures in a row, to connect or
	// to answer in time, after which a target is ejected; 0: never.
	EjectAfter int
	EjectFor   time.Duration // how long, at first; 0 is 5 s

	RetryStatuses []int // answers for which an idempotent request is retried; 429 is never one
	RetryBudget   int   // percent of a service's requests that may be retried; 0: only RetryMin
	RetryMin      int   // retries per second that are always allowed

	Log *slog.Logger // of targets that come and go; nil: none
}

// Pools owns the targets of all configurations.
type Pools struct {
	config  Config
	retry   statuses // RetryStatuses
	metrics *metrics
	mu      sync.Mutex
	targets map[string]*Target
	budgets map[string]*budget // by service
	used    []*Balancer        // of the configuration in force
	ctx     context.Context    // ends at Close
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// NewPools starts the goroutine that closes idle connections; Close ends it.
// reg may be nil.
func NewPools(c Config, reg prometheus.Registerer) *Pools {
	if c.KeepaliveIdle == 0 {
		c.KeepaliveIdle = time.Minute
	}
	if c.StreamAbove == 0 {
		c.StreamAbove = 64 << 10
	}
	if c.HeaderBytes == 0 {
		c.HeaderBytes = 64 << 10
	}
	if c.Resolver == nil {
		c.Resolver = dns.New(dns.Config{})
	}
	if c.EjectFor == 0 {
		c.EjectFor = 5 * time.Second
	}
	p := &Pools{config: c, targets: map[string]*Target{}, budgets: map[string]*budget{}}
	for _, status := range c.RetryStatuses {
		if status != 429 { // more of what is too much is no help
			p.retry.add(status)
		}
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.metrics = newMetrics(p, reg)
	p.wg.Go(p.prune)
	return p
}

// prune closes idle connections that are too old, or on which something has
// come: that must not wait for the next request to the target.
func (p *Pools) prune() {
	tick := time.NewTicker(min(max(p.config.KeepaliveIdle/4, 10*time.Millisecond), time.Second))
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-tick.C:
			p.each(func(t *Target) {
				for range t.pool.prune(now, p.config.KeepaliveIdle) {
					p.metrics.unsolicitedBytes(t, whenIdle)
				}
				if t.host.isDue() {
					p.refresh(t)
				}
			})
		}
	}
}

func (p *Pools) each(do func(*Target)) {
	p.mu.Lock()
	all := make([]*Target, 0, len(p.targets))
	for _, t := range p.targets {
		all = append(all, t)
	}
	p.mu.Unlock()
	for _, t := range all {
		do(t)
	}
}

// target finds or makes a target of an upstream ("" for a service's own host).
func (p *Pools) target(u *entity.Upstream, address string, secure *security, http2 bool, r *rules) *Target {
	key := address
	id := ""
	label := ""
	if u != nil {
		id, label = u.ID, u.Name
		key = id + "/" + key
	}
	if secure != nil {
		key = secure.key + "@" + key
	}
	if http2 {
		key = "http2 " + key
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.targets[key]; ok {
		return t
	}
	t := &Target{Address: address, called: address, authority: Authority(address, secure != nil), upstream: id, label: label,
		key: key, host: newHost(address, p.lookup()), told: p.metrics}
	t.rules.Store(r)
	if secure != nil {
		t.tls = secure.config.Clone()
		t.tls.ServerName = hostOf(t.authority)
		if u != nil && u.HostHeader != "" {
			t.tls.ServerName = hostOf(u.HostHeader)
		}
	}
	if http2 {
		t.http2 = newHTTP2Pool(&p.config)
	}
	p.targets[key] = t
	return t
}

// lookup resolves the names of targets.
func (p *Pools) lookup() lookup {
	if of := p.config.LookupHost; of != nil {
		return plainly(of)
	}
	return p.config.Resolver.Lookup
}

// budget finds or makes a service's.
func (p *Pools) budget(service string) *budget {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, ok := p.budgets[service]
	if !ok {
		b = &budget{percent: int64(p.config.RetryBudget), perSecond: int64(p.config.RetryMin)}
		p.budgets[service] = b
	}
	return b
}

// Keep puts the balancers' health checks in force, forgets all targets but
// those that they use, and closes their idle connections. Requests in flight
// finish on theirs.
func (p *Pools) Keep(used []*Balancer) {
	wanted, services := map[*Target]*rules{}, map[string]bool{}
	for _, b := range used {
		services[b.service] = true
		if b.leads() {
			b.expand(p) // names may have been resolved since the balancer was made
		}
		for _, m := range b.configured {
			wanted[m.target] = b.rules
		}
		for _, m := range b.ring.Load().members {
			wanted[m.target] = b.rules
		}
	}
	p.mu.Lock()
	p.used = used
	var gone []*Target
	for key, t := range p.targets {
		if r, ok := wanted[t]; ok {
			t.rules.Store(r)
			p.probeAs(t, r)
			continue
		}
		delete(p.targets, key)
		gone = append(gone, t)
		p.probe(t, nil)
	}
	for id := range p.budgets {
		if !services[id] {
			delete(p.budgets, id)
		}
	}
	p.mu.Unlock()
	for _, t := range gone {
		t.close()
	}
}

// Idle is how many connections lie idle, for metrics.
func (p *Pools) Idle() int {
	n := 0
	p.each(func(t *Target) {
		t.pool.mu.Lock()
		n += len(t.pool.idle)
		t.pool.mu.Unlock()
	})
	return n
}

// Close ends the pruning and closes idle connections.
func (p *Pools) Close() {
	p.stop()
	p.wg.Wait()
	p.each((*Target).close)
}

// close closes idle connections now, and others when they become idle.
func (t *Target) close() {
	t.pool.close()
	if t.http2 != nil {
		t.http2.close()
	}
}
