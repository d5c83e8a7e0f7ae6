package ratelimiting

import (
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// warnEvery is how often an unreachable Redis is worth a line in the log, for
// each plugin.
const warnEvery = 10 * time.Second

// rateLimiting is both rate-limiting and rate-limiting-advanced: they differ
// in how their configuration becomes windows and rules.
type rateLimiting struct {
	by       identifier
	rules    ruleSet           // how requests are counted
	redis    *redisconn.Client // nil: everything is counted in this process
	fallback ruleSet           // in this process while Redis is away; none: see faultTolerant
	share    bool              // while Redis is away the rules themselves say what may pass
	// faultTolerant lets requests pass while Redis is away and there is no
	// fallback.
	faultTolerant bool

	headers *limitHeaders // nil: hidden from the client
	code    int
	body    []byte
	jitter  int64 // most seconds to add to Retry-After, by chance

	exempt *exemption // nil: no client
	dryRun bool       // requests are counted, and none is refused

	allowed, limited, failedOpen, failedClosed counter
	wouldLimit, exempted                       counter
	log                                        *slog.Logger
	warned                                     atomic.Int64
	decisions                                  sync.Pool // of *limit.Decision
}

// counter is a prometheus.Counter, already resolved to its labels.
type counter interface{ Inc() }

// ruleSet is a rule for requests with the identity that is asked for, and one
// for those without it, which are counted by IP address.
type ruleSet struct{ known, byIP *limit.Rule }

// newRuleSet makes the rules of a policy: one where the identity is the IP
// address, else two. Identities of each kind count apart, also where plugins
// share a namespace: no header can be made to look like an address, or like the
// id of a consumer.
func newRuleSet(l *limit.Limiter, policy limit.Policy, by identifier) (s ruleSet, err error) {
	kind, namespace := by.by, policy.Namespace
	if kind == "header" {
		kind += "." + strings.ToLower(by.header)
	}
	policy.Namespace = kind + "/" + namespace
	if s.known, err = l.Rule(policy); err != nil || by.by == "ip" {
		return ruleSet{s.known, s.known}, err
	}
	policy.Namespace = "ip/" + namespace
	s.byIP, err = l.Rule(policy)
	return s, err
}

func (s *ruleSet) of(known bool) *limit.Rule {
	if known {
		return s.known
	}
	return s.byIP
}

// Access refuses the request when a limit is reached.
func (p *rateLimiting) Access(x *plugin.Exchange) (answered bool) {
	if p.exempt != nil && p.exempt.covers(x) {
		p.exempted.Inc()
		return false
	}
	key, known := p.by.key(x)
	d, err := p.rules.of(known).Take(key)
	outcome := p.allowed
	if err != nil {
		p.warn(err)
		outcome = p.failedOpen
		switch {
		case p.share:
			d = p.rules.of(known).TakeShare(key)
		case p.fallback.known != nil:
			d, _ = p.fallback.of(known).Take(key) // local rules have no errors
		default:
			return p.fail(x)
		}
	}
	if !d.Allowed {
		if p.dryRun {
			p.wouldLimit.Inc()
			return false
		}
		p.limited.Inc()
		p.refuse(x, &d)
		return true
	}
	outcome.Inc()
	if p.headers != nil {
		kept := p.decisions.Get().(*limit.Decision)
		*kept = d
		x.Ctx.SetUserValue(p, kept)
	}
	return false
}

// HeaderFilter puts the limits on the response, also where another plugin made it.
func (p *rateLimiting) HeaderFilter(x *plugin.Exchange) {
	if d, ok := x.Ctx.UserValue(p).(*limit.Decision); ok {
		p.headers.set(&x.Ctx.Response.Header, d)
	}
}

// Log ends the request's use of the decision.
func (p *rateLimiting) Log(x *plugin.Exchange) {
	if d, ok := x.Ctx.UserValue(p).(*limit.Decision); ok {
		x.Ctx.SetUserValue(p, nil)
		p.decisions.Put(d)
	}
}

// refuse answers in place of the upstream.
func (p *rateLimiting) refuse(x *plugin.Exchange, d *limit.Decision) {
	x.Limited = true
	r := &x.Ctx.Response
	plugin.Answer(r, p.code, p.body)
	if p.headers == nil {
		return
	}
	p.headers.set(&r.Header, d)
	after := d.RetryAfter()
	if p.jitter > 0 {
		after += rand.Int64N(p.jitter + 1)
	}
	p.headers.setRetryAfter(&r.Header, after)
}

// fail decides without Redis.
func (p *rateLimiting) fail(x *plugin.Exchange) (answered bool) {
	if p.faultTolerant || p.dryRun {
		p.failedOpen.Inc()
		return false
	}
	p.failedClosed.Inc()
	plugin.Answer(&x.Ctx.Response, fasthttp.StatusInternalServerError, failureBody)
	return true
}

func (p *rateLimiting) warn(err error) {
	now, last := time.Now().UnixNano(), p.warned.Load()
	if now-last > int64(warnEvery) && p.warned.CompareAndSwap(last, now) {
		p.log.Warn("rate limits without Redis", "error", err, "fault_tolerant", p.faultTolerant || p.share || p.fallback.known != nil)
	}
}
