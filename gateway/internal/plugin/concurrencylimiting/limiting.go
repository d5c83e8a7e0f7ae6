package concurrencylimiting

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// The values of limit_by.
const (
	byConsumer   = "consumer"
	byCredential = "credential"
	byIP         = "ip"
	byService    = "service"
	byRoute      = "route"
	byHeader     = "header"
)

// longestKey is how long a client's own words may be as a key; longer ones are kept as a digest.
const longestKey = 128

// config is the configuration as it is stored.
type config struct {
	Limit        int    `json:"limit"`
	LimitBy      string `json:"limit_by"`
	HeaderName   string `json:"header_name"`
	IPv6Prefix   int    `json:"ipv6_prefix"`
	RetryAfter   int    `json:"retry_after"` // seconds
	DryRun       bool   `json:"dry_run"`
	ErrorCode    int    `json:"error_code"`
	ErrorMessage string `json:"error_message"`

	Policy string             `json:"policy"`
	Redis  redisconfig.Config `json:"redis"`
}

// inRedis is the policy that counts over all replicas.
const inRedis = "redis"

// limiting is the plugin.
type limiting struct {
	config
	id      string
	flights *counter
	shared  *limit.Flights    // nil: requests are counted in this process
	client  *redisconn.Client // shared's
	metrics *metrics
	shed    prometheus.Counter
	refusal []byte
	retry   string
}

func newPlugin(c *entity.Plugin, d *plugin.Deps, flights *counter) (plugin.Plugin, error) {
	p := &limiting{id: c.ID, flights: flights}
	if err := plugin.DecodeConfig(c, &p.config); err != nil {
		return nil, err
	}
	var err error
	if p.metrics, err = newMetrics(d.Registerer, flights); err != nil {
		return nil, err
	}
	if p.Policy == inRedis {
		if d.Redis == nil {
			return nil, errors.New(name + ": this gateway has no Redis")
		}
		p.client = d.Redis.Client(p.Redis.Options())
		p.shared = d.Limits.Flights(p.client)
	}
	p.shed = p.metrics.sheds.WithLabelValues(name, p.LimitBy)
	p.refusal = plugin.Message(p.ErrorMessage)
	p.retry = strconv.Itoa(p.RetryAfter)
	return p, nil
}

// Access counts the request in, or refuses it.
func (p *limiting) Access(x *plugin.Exchange) (answered bool) {
	place := p.enter(p.key(x))
	switch {
	case place != nil:
		p.metrics.allowed.Inc()
		x.Ctx.SetUserValue(p, place)
		return false
	case p.DryRun:
		p.metrics.wouldLimit.Inc()
		return false
	}
	p.metrics.limited.Inc()
	p.shed.Inc()
	x.Limited = true
	r := &x.Ctx.Response
	plugin.Answer(r, p.ErrorCode, p.refusal)
	if p.RetryAfter > 0 {
		r.Header.Set(fasthttp.HeaderRetryAfter, p.retry)
	}
	return true
}

// enter returns the place of a request, nil if there is none.
func (p *limiting) enter(key string) any {
	if p.shared == nil {
		if f := p.flights.enter(key, p.Limit); f != nil {
			return f
		}
		return nil
	}
	if f := p.shared.Enter(key, int64(p.Limit)); f != nil {
		p.flights.total.Add(1)
		return f
	}
	return nil
}

// Log counts the request out: its body has passed, or its tunnel has ended.
func (p *limiting) Log(x *plugin.Exchange) {
	switch f := x.Ctx.UserValue(p).(type) {
	case *flights:
		p.flights.leave(f)
	case *limit.Flight:
		p.flights.total.Add(-1)
		f.Leave()
	default:
		return
	}
	x.Ctx.SetUserValue(p, nil)
}

// AddResources names the Redis, which would be given up soon after the configuration
// that it is in otherwise.
func (p *limiting) AddResources(r *plugin.Resources) {
	if p.client != nil {
		r.Clients = append(r.Clients, p.client)
	}
}

// key is what the request is counted under: what was asked for, or else the client's address. It begins with the plugin's id: each plugin
// counts for itself.
func (p *limiting) key(x *plugin.Exchange) string {
	kind, who := p.LimitBy, ""
	switch kind {
	case byConsumer:
		if x.Consumer != nil {
			who = x.Consumer.ID
		}
	case byCredential:
		who = x.CredentialID
	case byService:
		if x.Service != nil {
			who = x.Service.ID
		}
	case byRoute:
		if x.Route != nil {
			who = x.Route.ID
		}
	case byHeader:
		if who = plugin.View(x.Ctx.Request.Header.Peek(p.HeaderName)); len(who) > longestKey {
			sum := sha256.Sum256([]byte(who))
			who = hex.EncodeToString(sum[:])
		}
	}
	if who == "" {
		kind, who = byIP, plugin.Network(x.ClientIP, p.IPv6Prefix)
	}
	return p.id + "/" + kind + "/" + who
}

// metrics are shared by all plugins of this kind.
type metrics struct {
	sheds                        *prometheus.CounterVec
	allowed, limited, wouldLimit prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, flights *counter) (*metrics, error) {
	decisions, err := plugin.LimitDecisions(reg)
	if err != nil {
		return nil, err
	}
	m := &metrics{
		allowed: decisions.WithLabelValues(name, "allowed"), limited: decisions.WithLabelValues(name, "limited"),
		wouldLimit: decisions.WithLabelValues(name, "would_limit"),
	}
	if m.sheds, err = plugin.ConcurrencySheds(reg); err != nil {
		return nil, err
	}
	for _, by := range []string{byConsumer, byCredential, byIP, byService, byRoute, byHeader} {
		m.sheds.WithLabelValues(name, by)
	}
	_, err = plugin.Registered(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_concurrency_in_flight", Help: "Requests in flight that the plugin concurrency-limiting counts.",
	}, func() float64 { return float64(flights.total.Load()) }))
	return m, err
}

var (
	_ plugin.AccessPhase = (*limiting)(nil)
	_ plugin.LogPhase    = (*limiting)(nil)

	_ plugin.ResourceUser = (*limiting)(nil)
)
