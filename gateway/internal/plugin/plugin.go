// Package plugin holds the steps that a request passes on its way through the
// gateway: the chain that orders them, and one file a plugin.
package plugin

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/cache"
	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/limit"
	"gatelab/gateway/internal/redisconn"
)

// Plugin is one step. Access runs before the upstream is asked; true says that
// the plugin has written x.Ctx.Response itself, and the request goes no
// further.
type Plugin interface {
	Access(x *Exchange) (answered bool)
}

// ResponsePlugin sees the response before it is sent: status and headers are
// in x.Ctx.Response, the body may still be a stream. It runs for every plugin
// whose Access let the request pass, whoever answered.
type ResponsePlugin interface {
	Response(x *Exchange)
}

// LogPlugin runs at the end of every request whose Access ran, also after an
// error or a lost client. A streamed body has passed by then.
type LogPlugin interface {
	Log(x *Exchange)
}

// Exchange is one request on its way. Exchanges are reused: nothing of one may
// be kept after Log, and strings from Ctx are views of reused buffers.
type Exchange struct {
	Ctx          *fasthttp.RequestCtx
	Service      *entity.Service // nil: the route has none
	Route        *entity.Route
	Consumer     *entity.Consumer // nil: anonymous
	CredentialID string
	ClientIP     string
	Scheme, Host string     // what the client asked for, as the upstream is told in X-Forwarded-Proto and -Host
	Directory    *Directory // who is known, at this request's snapshot

	Started         time.Time
	UpstreamLatency time.Duration // until the upstream's headers came
	Proxied         bool          // an upstream answered
	CacheStatus     string        // "" where no cache was asked
	Limited         bool          // a limit refused the request
	Received, Sent  int64         // bytes of body, from and to the client; set for Log

	picked []hooks // what Access ran, in order
}

// Reset makes the exchange ready for another request.
func (x *Exchange) Reset() {
	picked := x.picked[:0]
	clear(x.picked)
	*x = Exchange{picked: picked}
}

// Deps are what plugins share for the whole life of the process: it survives
// every configuration.
type Deps struct {
	Cache      *cache.Store
	Limits     *limit.Limiter
	Redis      *redisconn.Registry
	Registerer prometheus.Registerer
	Log        *slog.Logger
	NodeName   string
}

// Factory makes a plugin of its configuration, which the schema has checked
// and completed.
type Factory func(p *entity.Plugin, d *Deps) (Plugin, error)

// Entry is a plugin that this gateway has.
type Entry struct {
	Priority int // Kong's: higher runs earlier
	New      Factory
}

// Entries are all plugins by name.
func Entries() map[string]Entry {
	return map[string]Entry{
		"key-auth":               {1250, newKeyAuth},
		"rate-limiting":          {910, newRateLimiting},
		"rate-limiting-advanced": {910, newRateLimitingAdvanced},
		"proxy-cache":            {100, newProxyCache},
		"prometheus":             {13, newPrometheus},
	}
}
