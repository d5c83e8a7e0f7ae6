package ratelimiting

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

var failureBody = []byte(`{"message":"An unexpected error occurred"}`)

// limitConfig is what the two plugins' configurations have in common.
type limitConfig struct {
	HeaderName        string             `json:"header_name"`
	Path              string             `json:"path"`
	SyncRate          *float64           `json:"sync_rate"` // seconds
	HideClientHeaders bool               `json:"hide_client_headers"`
	ErrorCode         int                `json:"error_code"`
	ErrorMessage      string             `json:"error_message"`
	Redis             redisconfig.Config `json:"redis"`
	StandardHeaders   bool               `json:"standard_headers"`
	DryRun            bool               `json:"dry_run"`
	ExemptConsumers   []string           `json:"exempt_consumers"`
	ExemptIPs         []string           `json:"exempt_ips"`
	IPv6Prefix        int                `json:"ipv6_prefix"`
	LocalShare        bool               `json:"local_share"`
}

// plainConfig is rate-limiting's. Redis may also be given flat.
type plainConfig struct {
	limitConfig
	Second, Minute, Hour, Day, Month, Year float64

	LimitBy         string `json:"limit_by"`
	Policy          string `json:"policy"`
	FaultTolerant   *bool  `json:"fault_tolerant"`
	RedisHost       string `json:"redis_host"`
	RedisPort       int    `json:"redis_port"`
	RedisUsername   string `json:"redis_username"`
	RedisPassword   string `json:"redis_password"`
	RedisDatabase   int    `json:"redis_database"`
	RedisSSL        bool   `json:"redis_ssl"`
	RedisSSLVerify  bool   `json:"redis_ssl_verify"`
	RedisServerName string `json:"redis_server_name"`
	RedisTimeout    int    `json:"redis_timeout"`
}

// advancedConfig is rate-limiting-advanced's.
type advancedConfig struct {
	limitConfig
	Limit      []float64 `json:"limit"`
	WindowSize []float64 `json:"window_size"` // seconds
	WindowType string    `json:"window_type"`
	Burst      []float64 `json:"burst"`
	Identifier string    `json:"identifier"`
	Namespace  string    `json:"namespace"`
	Strategy   string    `json:"strategy"`
	JitterMax  float64   `json:"retry_after_jitter_max"` // seconds
}

// newPlain makes a rate-limiting plugin: calendar windows, counted in
// this process (policy local) or in Redis.
func newPlain(p *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	c := plainConfig{LimitBy: "consumer", Policy: "local"}
	if err := plugin.DecodeConfig(p, &c); err != nil {
		return nil, err
	}
	if !c.Redis.Named() {
		c.Redis = redisconfig.Config{
			Host: c.RedisHost, Port: c.RedisPort, Username: c.RedisUsername, Password: c.RedisPassword,
			Database: c.RedisDatabase, SSL: c.RedisSSL, SSLVerify: c.RedisSSLVerify,
			ServerName: c.RedisServerName, Timeout: c.RedisTimeout,
		}
	}
	policy := limit.Policy{Namespace: p.ID}
	policy.Windows = limit.Calendar([6]int64{int64(c.Second), int64(c.Minute), int64(c.Hour), int64(c.Day), int64(c.Month), int64(c.Year)})
	switch c.Policy {
	case "local":
	case "redis", "leased", "cluster":
		// Here -1 means on every request, unlike in rate-limiting-advanced.
		if err := c.withRedis(&policy, d, c.Policy); err != nil {
			return nil, fmt.Errorf("rate-limiting: %w", err)
		}
	default:
		return nil, fmt.Errorf("rate-limiting: policy %q: want local, redis, leased or cluster", c.Policy)
	}
	rl, err := newLimiting(p, d, policy, &c.limitConfig, c.LimitBy)
	if err != nil {
		return nil, err
	}
	rl.faultTolerant = c.FaultTolerant == nil || *c.FaultTolerant
	return rl, nil
}

// newAdvanced makes a rate-limiting-advanced plugin: windows of
// any length, sliding or fixed. While Redis is away each replica counts for
// itself.
func newAdvanced(p *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	c := advancedConfig{Identifier: "consumer", WindowType: "sliding", Strategy: "local"}
	if err := plugin.DecodeConfig(p, &c); err != nil {
		return nil, err
	}
	if len(c.Limit) != len(c.WindowSize) {
		return nil, fmt.Errorf("rate-limiting-advanced: %d limits for %d window sizes", len(c.Limit), len(c.WindowSize))
	}
	bucket := c.WindowType == tokenBucket
	policy := limit.Policy{Namespace: c.Namespace, Sliding: c.WindowType != "fixed" && !bucket}
	if policy.Namespace == "" {
		policy.Namespace = p.ID
	}
	for i := range c.Limit {
		w := limit.Window{Limit: int64(c.Limit[i]), Size: time.Duration(c.WindowSize[i]) * time.Second}
		switch {
		case bucket && i < len(c.Burst):
			w.Burst = int64(c.Burst[i])
		case bucket:
			w.Burst = w.Limit
		}
		policy.Windows = append(policy.Windows, w)
	}
	alone := policy
	never := c.Strategy == "redis" && c.SyncRate != nil && *c.SyncRate < 0
	if c.Strategy != "local" && !never {
		if err := c.withRedis(&policy, d, c.Strategy); err != nil {
			return nil, fmt.Errorf("rate-limiting-advanced: %w", err)
		}
	}
	rl, err := newLimiting(p, d, policy, &c.limitConfig, c.Identifier)
	if err != nil {
		return nil, err
	}
	rl.jitter = int64(c.JitterMax)
	if policy.Redis != nil && !policy.Share {
		if rl.fallback, err = newRuleSet(d.Limits, alone, rl.by); err != nil {
			return nil, fmt.Errorf("rate-limiting-advanced: %w", err)
		}
	}
	return rl, nil
}

// withRedis makes the policy count in Redis: where is "redis" (on every request,
// or every sync_rate seconds if that is more than 0), "leased", or "cluster",
// which is Kong's word for counters in its database and means leased here.
func (c *limitConfig) withRedis(policy *limit.Policy, d *plugin.Deps, where string) error {
	if !c.Redis.Named() {
		return errors.New("redis.host is missing")
	}
	if d.Redis == nil {
		return errors.New("this gateway has no Redis")
	}
	policy.Redis = d.Redis.Client(c.Redis.Options())
	policy.Lease = where != "redis"
	if !policy.Lease && c.SyncRate != nil && *c.SyncRate > 0 {
		policy.Sync = time.Duration(*c.SyncRate * float64(time.Second))
	}
	policy.Share = c.LocalShare && policy.Sync == 0
	return nil
}

// newLimiting builds what the two plugins have in common.
func newLimiting(p *entity.Plugin, d *plugin.Deps, policy limit.Policy, c *limitConfig, by string) (*rateLimiting, error) {
	rl := &rateLimiting{code: c.ErrorCode, log: d.Log, dryRun: c.DryRun, share: policy.Share}
	if rl.log == nil {
		rl.log = slog.New(slog.DiscardHandler)
	}
	rl.log = rl.log.With("plugin", p.Name, "plugin_id", p.ID)
	rl.redis, _ = policy.Redis.(*redisconn.Client)
	rl.decisions.New = func() any { return new(limit.Decision) }
	var err error
	if rl.by, err = newIdentifier(by, c.HeaderName, c.Path); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	if c.IPv6Prefix > 0 {
		rl.by.bits = c.IPv6Prefix
	}
	if rl.exempt, err = newExemption(c.ExemptConsumers, c.ExemptIPs); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	if rl.rules, err = newRuleSet(d.Limits, policy, rl.by); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	if !c.HideClientHeaders && !c.DryRun {
		rl.headers = newLimitHeaders(policy.Windows)
		if c.StandardHeaders {
			rl.headers.standard = newStandardHeaders(policy.Windows)
		}
	}
	if rl.code == 0 {
		rl.code = 429
	}
	message := c.ErrorMessage
	if message == "" {
		message = "API rate limit exceeded"
	}
	if rl.body, err = json.Marshal(map[string]string{"message": message}); err != nil {
		return nil, fmt.Errorf("%s: error_message: %w", p.Name, err)
	}
	return rl, rl.resolveCounters(p.Name, d.Registerer)
}

// resolveCounters finds the plugin's counters; all plugins, of this
// configuration and of earlier ones, share one vector.
func (p *rateLimiting) resolveCounters(name string, reg prometheus.Registerer) error {
	vec, err := plugin.LimitDecisions(reg)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.allowed = vec.WithLabelValues(name, "allowed")
	p.limited = vec.WithLabelValues(name, "limited")
	p.wouldLimit = vec.WithLabelValues(name, "would_limit")
	p.exempted = vec.WithLabelValues(name, "exempt")
	p.failedOpen = vec.WithLabelValues(name, "failed_open")
	p.failedClosed = vec.WithLabelValues(name, "failed_closed")
	return nil
}

// AddResources names the rules that count in Redis, and the Redis.
func (p *rateLimiting) AddResources(r *plugin.Resources) {
	if p.redis != nil {
		r.Rules = append(r.Rules, p.rules.known, p.rules.byIP)
		r.Clients = append(r.Clients, p.redis)
	}
}

var (
	_ plugin.AccessPhase       = (*rateLimiting)(nil)
	_ plugin.HeaderFilterPhase = (*rateLimiting)(nil)
	_ plugin.LogPhase          = (*rateLimiting)(nil)
	_ plugin.ResourceUser      = (*rateLimiting)(nil)
)
