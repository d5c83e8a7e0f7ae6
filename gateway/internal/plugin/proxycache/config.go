package proxycache

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

// config is proxy-cache's configuration; seconds are whole.
type config struct {
	Strategy        string             `json:"strategy"`
	Redis           redisconfig.Config `json:"redis"`
	CacheTTL        *float64           `json:"cache_ttl"`
	ErrorTTL        float64            `json:"error_ttl"`
	StorageTTL      float64            `json:"storage_ttl"`
	Revalidate      float64            `json:"stale_while_revalidate"`
	IfError         float64            `json:"stale_if_error"`
	CacheControl    bool               `json:"cache_control"`
	StorePrivate    bool               `json:"store_private"`
	RequestMethod   []string           `json:"request_method"`
	ResponseCode    []int              `json:"response_code"`
	ContentType     []string           `json:"content_type"`
	VaryQueryParams []string           `json:"vary_query_params"`
	VaryHeaders     []string           `json:"vary_headers"`
	VaryConsumer    *bool              `json:"vary_consumer"`
	IgnoreURICase   bool               `json:"ignore_uri_case"`
	StripTags       bool               `json:"strip_tags"`
	ResponseHeaders struct {
		Age    *bool `json:"age"`
		Status *bool `json:"X-Cache-Status"`
		Key    *bool `json:"X-Cache-Key"`
		Report *bool `json:"Cache-Status"`
	} `json:"response_headers"`
}

// newPlugin makes a proxy-cache plugin: with strategy memory in this
// replica's memory, with redis in memory in front of a Redis that replicas
// share.
func newPlugin(p *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	c := config{
		Strategy: "memory", ErrorTTL: defaultErrorTTL, RequestMethod: []string{"GET", "HEAD"},
	}
	if err := plugin.DecodeConfig(p, &c); err != nil {
		return nil, err
	}
	c.complete()
	if d.Cache == nil {
		return nil, errors.New("proxy-cache: this gateway has no cache")
	}
	pc := &proxyCache{
		store:      d.Cache,
		policy:     c.policy(),
		methods:    c.RequestMethod,
		get:        slices.Contains(c.RequestMethod, "GET"),
		head:       slices.Contains(c.RequestMethod, "HEAD"),
		stripTags:  c.StripTags,
		showAge:    orTrue(c.ResponseHeaders.Age),
		showStatus: orTrue(c.ResponseHeaders.Status),
		showKey:    orTrue(c.ResponseHeaders.Key),
		showReport: orTrue(c.ResponseHeaders.Report),
	}
	for _, code := range c.ResponseCode {
		if pc.codes == nil {
			pc.codes = map[int]bool{}
		}
		pc.codes[code] = true
	}
	for _, t := range c.ContentType {
		m, err := parseMediaType(t)
		if err != nil {
			return nil, fmt.Errorf("proxy-cache: content_type %q: %w", t, err)
		}
		pc.types = append(pc.types, m)
	}
	pc.key.consumer = orTrue(c.VaryConsumer)
	pc.key.authorization = !c.CacheControl
	pc.key.ignoreCase = c.IgnoreURICase
	if len(c.VaryQueryParams) > 0 { // none given means all
		pc.key.query = slices.Sorted(slices.Values(c.VaryQueryParams))
	}
	pc.key.headers = slices.Sorted(slices.Values(c.VaryHeaders))
	var err error
	pc.space, err = c.space(d)
	return pc, err
}

// Kong's defaults, where Cache-Control is not followed. Where it is, a response says
// itself whether and for how long it is stored.
var (
	defaultCodes = []int{200, 301, 404}
	defaultTypes = []string{"text/plain", "application/json"}
)

const (
	defaultTTL      = 300 // seconds
	defaultErrorTTL = 10  // seconds
)

// complete gives what is unset its default, which depends on cache_control.
func (c *config) complete() {
	if c.CacheControl {
		return
	}
	if c.CacheTTL == nil {
		c.CacheTTL = new(float64(defaultTTL))
	}
	if c.ResponseCode == nil {
		c.ResponseCode = defaultCodes
	}
	if c.ContentType == nil {
		c.ContentType = defaultTypes
	}
}

func (c *config) policy() cache.Policy {
	seconds := func(n float64) time.Duration { return time.Duration(n) * time.Second }
	p := cache.Policy{
		CacheControl: c.CacheControl, StorePrivate: c.StorePrivate, ErrorTTL: seconds(c.ErrorTTL), StorageTTL: seconds(c.StorageTTL),
		StaleWhileRevalidate: seconds(c.Revalidate), StaleIfError: seconds(c.IfError),
	}
	if c.CacheTTL != nil {
		p.TTL = seconds(*c.CacheTTL)
	}
	return p
}

// space is the part of the store that the strategy asks for.
func (c *config) space(d *plugin.Deps) (*cache.Space, error) {
	switch c.Strategy {
	case "memory":
		return d.Cache.Space(nil), nil
	case "redis":
		if !c.Redis.Named() {
			return nil, errors.New("proxy-cache: redis.host is missing")
		}
		if d.Redis == nil {
			return nil, errors.New("proxy-cache: this gateway has no Redis")
		}
		return d.Cache.Space(d.Redis.Client(c.Redis.Options())), nil
	}
	return nil, fmt.Errorf("proxy-cache: strategy %q: want memory or redis", c.Strategy)
}

func orTrue(b *bool) bool { return b == nil || *b }

// AddResources names the part of the store that the plugin uses, and its Redis.
func (p *proxyCache) AddResources(r *plugin.Resources) {
	r.Spaces = append(r.Spaces, p.space)
	if c := p.space.Client(); c != nil {
		r.Clients = append(r.Clients, c)
	}
}

var (
	_ plugin.AccessPhase       = (*proxyCache)(nil)
	_ plugin.HeaderFilterPhase = (*proxyCache)(nil)
	_ plugin.LogPhase          = (*proxyCache)(nil)
	_ plugin.ResourceUser      = (*proxyCache)(nil)
)
