package adaptiveconcurrency

import (
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the configuration as it is stored.
type config struct {
	MinLimit         int64    `json:"min_limit"`
	InitialLimit     int64    `json:"initial_limit"`
	MaxLimit         int64    `json:"max_limit"`
	LatencyTolerance float64  `json:"latency_tolerance"`
	Priority         string   `json:"priority"`
	PriorityHeader   string   `json:"priority_header"`
	HighConsumers    []string `json:"high_consumers"`
	LowConsumers     []string `json:"low_consumers"`
	NormalShare      int64    `json:"normal_share"` // percent of the limit
	LowShare         int64    `json:"low_share"`    // percent of the limit
	RetryAfter       int      `json:"retry_after"`  // seconds
	DryRun           bool     `json:"dry_run"`
	ErrorCode        int      `json:"error_code"`
	ErrorMessage     string   `json:"error_message"`
}

// The classes of requests.
const (
	high = iota
	normal
	low
	classes
)

var priorities = [classes]string{"high", "normal", "low"}

// classOf is the class of a name; not ok: there is none.
func classOf(name string) (class int, ok bool) {
	for class, have := range priorities {
		if have == name {
			return class, true
		}
	}
	return normal, false
}

// adaptive is the plugin.
type adaptive struct {
	config
	bounds   bounds
	known    *upstreams
	shares   [classes]int64
	usual    int            // the class of requests that nothing is said of
	consumer map[string]int // class by id, username or custom_id
	metrics  *metrics
	refusal  []byte
	retry    string
}

func newPlugin(c *entity.Plugin, d *plugin.Deps, known *upstreams) (plugin.Plugin, error) {
	p := &adaptive{known: known, consumer: map[string]int{}}
	if err := plugin.DecodeConfig(c, &p.config); err != nil {
		return nil, err
	}
	p.bounds = bounds{least: p.MinLimit, first: p.InitialLimit, most: p.MaxLimit, tolerance: p.LatencyTolerance}
	p.shares = [classes]int64{100, p.NormalShare, p.LowShare}
	p.usual, _ = classOf(p.Priority)
	for _, who := range p.HighConsumers {
		p.consumer[who] = high
	}
	for _, who := range p.LowConsumers {
		p.consumer[who] = low
	}
	p.refusal = plugin.Message(p.ErrorMessage)
	p.retry = strconv.Itoa(p.RetryAfter)
	var err error
	if p.metrics, err = newMetrics(d.Registerer); err != nil {
		return nil, err
	}
	p.metrics.upstreams.show(known)
	return p, nil
}

// Access refuses the request where there is no place for it, before its body has come.
func (p *adaptive) Access(x *plugin.Exchange) (answered bool) {
	if x.Service == nil || p.DryRun {
		return false
	}
	class := p.class(x)
	if !p.known.limiter(p.target(x)).isFull(p.shares[class]) {
		return false
	}
	p.metrics.sheds[class].Inc()
	p.refuse(x)
	return true
}

// Ask lets the request go to the upstream, or refuses it. A client that does not send the
// body that it has announced has no place in the meantime.
func (p *adaptive) Ask(x *plugin.Exchange) (answered bool) {
	if x.Service == nil {
		return false
	}
	l := p.known.limiter(p.target(x))
	class := p.class(x)
	switch {
	case l.enter(p.shares[class]):
	case p.DryRun:
		p.metrics.wouldShed.Inc()
		l.inFlight.Add(1)
	default:
		p.metrics.sheds[class].Inc()
		p.refuse(x)
		return true
	}
	x.Ctx.SetUserValue(p, l)
	return false
}

func (p *adaptive) refuse(x *plugin.Exchange) {
	x.Limited = true
	r := &x.Ctx.Response
	plugin.Answer(r, p.ErrorCode, p.refusal)
	if p.RetryAfter > 0 {
		r.Header.Set(fasthttp.HeaderRetryAfter, p.retry)
	}
}

// target is which upstream the request is for, and the bounds of its limit: plugins with the same bounds share what they know of it.
func (p *adaptive) target(x *plugin.Exchange) target {
	to := target{host: x.Service.Host, port: x.Service.Port, bounds: p.bounds}
	if d := x.Rewrite.Diversion; d.Host != "" {
		to.host = d.Host
	}
	if d := x.Rewrite.Diversion; d.Port != 0 {
		to.port = d.Port
	}
	return to
}

// class is a request's: of its consumer, or else as its header field says, or else the plugin's.
func (p *adaptive) class(x *plugin.Exchange) int {
	if c := x.Consumer; c != nil && len(p.consumer) > 0 {
		for _, who := range [...]string{c.ID, c.Username, c.CustomID} {
			if class, ok := p.consumer[who]; ok && who != "" {
				return class
			}
		}
	}
	if p.PriorityHeader != "" {
		if class, ok := classOf(plugin.View(x.Ctx.Request.Header.Peek(p.PriorityHeader))); ok {
			return class
		}
	}
	return p.usual
}

// HeaderFilter counts out a request that has become a tunnel, whose length is the client's choice.
func (p *adaptive) HeaderFilter(x *plugin.Exchange) {
	if x.UpstreamStatus != fasthttp.StatusSwitchingProtocols {
		return
	}
	if l := p.take(x); l != nil {
		l.leave()
	}
}

// Log counts the request out. The latency is that from the whole request to the answer's header: a body comes as fast as its client sends
// or reads.
func (p *adaptive) Log(x *plugin.Exchange) {
	l := p.take(x)
	if l == nil {
		return
	}
	if !x.Asked.IsZero() {
		if what, tells := judged(x); tells {
			l.observe(x.Asked, time.Now(), x.Waited, what)
		}
	}
	l.leave()
}

// take returns the limiter in which the request is counted, once.
func (p *adaptive) take(x *plugin.Exchange) *limiter {
	l, _ := x.Ctx.UserValue(p).(*limiter)
	if l != nil {
		x.Ctx.SetUserValue(p, nil)
	}
	return l
}

// judged is what a response says of the upstream, if it tells anything. One that fails fast says nothing of the latency; one that refuses,
// or does not answer, says that there is too much to do. What the client has brought about says something only if it has waited for long
// with all of its request sent, and what other plugins answer says nothing.
func judged(x *plugin.Exchange) (what outcome, tells bool) {
	switch {
	case x.Proxied && isRefusal(x.UpstreamStatus):
		return lost, true
	case x.Proxied:
		return answered, x.UpstreamStatus < fasthttp.StatusInternalServerError && x.Waited >= 0
	case x.Withdrawn:
		return left, x.Waited >= 0
	}
	return lost, isRefusal(x.Ctx.Response.StatusCode())
}

func isRefusal(status int) bool {
	return status == fasthttp.StatusTooManyRequests || status == fasthttp.StatusServiceUnavailable || status == fasthttp.StatusGatewayTimeout
}

// label names a target in metrics.
func (t *target) label() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

var (
	_ plugin.AccessPhase       = (*adaptive)(nil)
	_ plugin.AskPhase          = (*adaptive)(nil)
	_ plugin.HeaderFilterPhase = (*adaptive)(nil)
	_ plugin.LogPhase          = (*adaptive)(nil)
)
