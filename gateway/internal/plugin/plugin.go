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

// BodyReader is a plugin that may call an Exchange's Body. A client that waits
// for 100 Continue is told to go on before such a plugin runs.
type BodyReader interface {
	ReadsBody() bool
}

// Authenticator is a plugin that asks who the client is.
type Authenticator interface {
	Authenticates()
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
	Trusted      bool       // the peer is a trusted proxy: what it says in X-Forwarded-* reaches the upstream
	Directory    *Directory // who is known, at this request's snapshot

	Started         time.Time
	UpstreamLatency time.Duration // until the upstream's headers came
	Proxied         bool          // an upstream answered
	CacheStatus     string        // "" where no cache was asked
	Limited         bool          // a limit refused the request
	Received, Sent  int64         // bytes of body, from and to the client; set for Log

	// Spooled says that a plugin reads the upstream's body ahead of the client,
	// who has taken Delivered bytes of it.
	Spooled   bool
	Delivered int64

	// The hooks are the proxy's, and the same for all requests of an exchange.
	// They are nil in tests that have no proxy.

	// Complete writes the fields that the gateway adds when it forwards
	// (X-Forwarded-*, X-Real-IP, Forwarded, Via) into Ctx.Request's header. It
	// does so once for each request: further calls do nothing. A plugin calls it
	// before it reads such a field; others need not pay for it.
	Complete func()
	// Body reads the request's body, at most so many bytes of it, and keeps them
	// for the upstream. whole says that they are all of it; then Ctx.Request's
	// Body has them too, and may be replaced. The error is one of the client's
	// connection, or of the body's framing; one that has StatusCode() int says
	// what to answer. The bytes are good until the request ends.
	Body func(most int) (body []byte, whole bool, err error)
	// Interrupt makes a read of the upstream's streamed body return, also one
	// that another goroutine has begun.
	Interrupt func()

	picked []hooks // what Access ran, in order
}

// Reset makes the exchange ready for another request. The hooks stay.
func (x *Exchange) Reset() {
	picked := x.picked[:0]
	clear(x.picked)
	*x = Exchange{picked: picked, Complete: x.Complete, Body: x.Body, Interrupt: x.Interrupt}
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
	Node       Node // what the prometheus plugin tells of the process

	kong *kongNode // made by the first prometheus plugin
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
