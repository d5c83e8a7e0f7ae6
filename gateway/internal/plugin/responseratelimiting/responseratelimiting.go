package responseratelimiting

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

const (
	// exchangeEvery is how often replicas tell each other their counts in Redis: no
	// response waits for it.
	exchangeEvery = 100 * time.Millisecond
	// maxCost is the most that one response counts.
	maxCost = 10_000
)

// config is the configuration as it is stored.
type config struct {
	HeaderName            string             `json:"header_name"`
	LimitBy               string             `json:"limit_by"`
	Policy                string             `json:"policy"`
	RedisHost             string             `json:"redis_host"`
	RedisPort             int                `json:"redis_port"`
	RedisUsername         string             `json:"redis_username"`
	RedisPassword         string             `json:"redis_password"`
	RedisDatabase         int                `json:"redis_database"`
	RedisSSL              bool               `json:"redis_ssl"`
	RedisSSLVerify        bool               `json:"redis_ssl_verify"`
	RedisServerName       string             `json:"redis_server_name"`
	RedisTimeout          int                `json:"redis_timeout"` // ms
	BlockOnFirstViolation bool               `json:"block_on_first_violation"`
	HideClientHeaders     bool               `json:"hide_client_headers"`
	Limits                map[string]windows `json:"limits"`
}

// windows are the limits of the periods; 0: none.
type windows struct{ Second, Minute, Hour, Day, Month, Year float64 }

func (w windows) list() (names []string, of []limit.Window) {
	limits := [6]int64{int64(w.Second), int64(w.Minute), int64(w.Hour), int64(w.Day), int64(w.Month), int64(w.Year)}
	for i, n := range limits {
		if n > 0 {
			names = append(names, periods[i])
		}
	}
	return names, limit.Calendar(limits)
}

// responseLimiting is the plugin.
type responseLimiting struct {
	config
	limits []namedLimit // by name
	redis  *redisconn.Client
	seen   *memory
	now    func() time.Time
}

// namedLimit is one of the limits that the upstream can count responses under.
type namedLimit struct {
	name      string
	windows   []limit.Window
	rules     map[string]*limit.Rule // by what the client is known by
	namespace string
	upstream  string // header field that tells the upstream what is left
	refusal   []byte
	limit     []string // header fields of the windows, for the client
	left      []string
}

// kinds are what clients are known by: counters of one kind are apart from those of
// another.
var kinds = []string{"consumer", "credential", "ip"}

func (m *memory) newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	p := &responseLimiting{seen: m, now: time.Now}
	if err := plugin.DecodeConfig(c, &p.config); err != nil {
		return nil, err
	}
	policy := limit.Policy{}
	if p.Policy == "redis" {
		if d.Redis == nil {
			return nil, fmt.Errorf("%s: this gateway has no Redis", c.Name)
		}
		redis := redisconfig.Config{
			Host: p.RedisHost, Port: p.RedisPort, Username: p.RedisUsername, Password: p.RedisPassword, Database: p.RedisDatabase,
			SSL: p.RedisSSL, SSLVerify: p.RedisSSLVerify, ServerName: p.RedisServerName, Timeout: p.RedisTimeout,
		}
		p.redis = d.Redis.Client(redis.Options())
		policy.Redis, policy.Sync = p.redis, exchangeEvery
	}
	for _, name := range slices.Sorted(maps.Keys(p.Limits)) {
		l, err := newLimit(name, p.Limits[name], c.ID, policy, d.Limits)
		if err != nil {
			return nil, fmt.Errorf("%s: limit %s: %w", c.Name, name, err)
		}
		p.limits = append(p.limits, l)
	}
	return p, nil
}

func newLimit(name string, w windows, id string, policy limit.Policy, limits *limit.Limiter) (namedLimit, error) {
	names, list := w.list()
	l := namedLimit{
		name: name, windows: list, rules: map[string]*limit.Rule{}, namespace: "response/" + id + "/" + name,
		upstream: "X-RateLimit-Remaining-" + name, refusal: plugin.Message("API rate limit exceeded for '" + name + "'"),
	}
	for _, period := range names {
		l.limit = append(l.limit, "X-RateLimit-Limit-"+name+"-"+period)
		l.left = append(l.left, "X-RateLimit-Remaining-"+name+"-"+period)
	}
	policy.Windows = list
	for _, kind := range kinds {
		policy.Namespace = l.namespace + "/" + kind
		rule, err := limits.Rule(policy)
		if err != nil {
			return l, err
		}
		l.rules[kind] = rule
	}
	return l, nil
}

// client is whose responses are counted together. It is kept until the response is
// there, so that it is no view of the request.
type client struct{ kind, key string }

func (p *responseLimiting) client(x *plugin.Exchange) client {
	switch {
	case p.LimitBy == "consumer" && x.Consumer != nil:
		return client{"consumer", x.Consumer.ID}
	case p.LimitBy != "ip" && x.CredentialID != "":
		return client{"credential", x.CredentialID}
	}
	return client{"ip", strings.Clone(x.ClientIP)}
}

func (l *namedLimit) seenKey(c client) seenKey { return seenKey{l.namespace + "/" + c.kind, c.key} }

// Access tells the upstream what is left, and refuses clients with nothing left where
// that is wanted.
func (p *responseLimiting) Access(x *plugin.Exchange) (answered bool) {
	c, now := p.client(x), p.now()
	for i := range p.limits {
		l := &p.limits[i]
		u := p.seen.find(l.seenKey(c), l.windows, now)
		left := slices.Min(u.left[:len(l.windows)])
		if p.BlockOnFirstViolation && left <= 0 {
			x.Limited = true
			plugin.Answer(&x.Ctx.Response, fasthttp.StatusTooManyRequests, l.refusal)
			return true
		}
		plugin.SetField(&x.Ctx.Request.Header, l.upstream, strconv.FormatInt(left, 10))
	}
	x.Ctx.SetUserValue(p, c)
	return false
}

// HeaderFilter counts what the upstream says of the response, and takes the response
// from a client with nothing left of what it counts under.
func (p *responseLimiting) HeaderFilter(x *plugin.Exchange) {
	c, ok := x.Ctx.UserValue(p).(client)
	if !ok {
		return
	}
	r := &x.Ctx.Response
	costs := p.costs(r)
	plugin.DeleteResponseField(&r.Header, p.HeaderName)
	stop, now := false, p.now()
	for i := range p.limits {
		l := &p.limits[i]
		u := p.seen.find(l.seenKey(c), l.windows, now)
		if n := costs[l.name]; n > 0 {
			var refused bool
			if u, refused = p.count(l, c, n, now); refused {
				stop = true
			}
		}
		if p.HideClientHeaders {
			continue
		}
		for w := range l.windows {
			r.Header.Set(l.limit[w], strconv.FormatInt(l.windows[w].Limit, 10))
			r.Header.Set(l.left[w], strconv.FormatInt(max(0, u.left[w]), 10))
		}
	}
	if stop {
		x.Limited = true
		r.SetStatusCode(fasthttp.StatusTooManyRequests)
		r.SetBodyRaw(nil)
		r.Header.SetContentLength(0)
		for _, name := range []string{fasthttp.HeaderContentType, fasthttp.HeaderContentEncoding, fasthttp.HeaderETag} {
			plugin.DeleteResponseField(&r.Header, name)
		}
	}
}

// count takes n of a limit, or as many as are left. refused says that nothing was.
func (p *responseLimiting) count(l *namedLimit, c client, n int, now time.Time) (u usage, refused bool) {
	rule := l.rules[c.kind]
	var d limit.Decision
	for i := range n {
		var err error
		if d, err = rule.Take(c.key); err != nil { // of no rule that exchanges its counts
			break
		}
		if !d.Allowed {
			refused = i == 0
			break
		}
	}
	return p.seen.keep(l.seenKey(c), &d, len(l.windows), now), refused
}

// costs are what a response counts, by the names of limits: "Video=2, Image=1".
func (p *responseLimiting) costs(r *fasthttp.Response) map[string]int {
	var out map[string]int
	for _, value := range r.Header.PeekAll(p.HeaderName) {
		for part := range bytes.SplitSeq(value, []byte{','}) {
			name, cost, ok := bytes.Cut(part, []byte{'='})
			n, err := strconv.Atoi(string(bytes.TrimSpace(cost)))
			if !ok || err != nil || n <= 0 {
				continue
			}
			if out == nil {
				out = map[string]int{}
			}
			out[string(bytes.TrimSpace(name))] = min(n, maxCost)
		}
	}
	return out
}

// AddResources names the rules that count in Redis, and the Redis.
func (p *responseLimiting) AddResources(r *plugin.Resources) {
	if p.redis == nil {
		return
	}
	r.Clients = append(r.Clients, p.redis)
	for i := range p.limits {
		for _, rule := range p.limits[i].rules {
			r.Rules = append(r.Rules, rule)
		}
	}
}

var (
	_ plugin.AccessPhase       = (*responseLimiting)(nil)
	_ plugin.HeaderFilterPhase = (*responseLimiting)(nil)
	_ plugin.ResourceUser      = (*responseLimiting)(nil)
)
