package proxy

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/logline"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// The access log's modes.
const (
	LogOff     = "off"
	LogSampled = "sampled" // everything that failed, and of the others at most a fixed number per second
	LogAll     = "all"
)

// accessLog writes one line per request. It names the path without its query,
// and no header: keys, tokens and cookies never reach it.
type accessLog struct {
	lines  *logline.Logger
	mode   string
	rate   int64
	second atomic.Int64 // the Unix second that count belongs to
	count  atomic.Int64
}

func (a *accessLog) wants(status int, failure error, now time.Time) bool {
	switch {
	case a.mode == LogOff:
		return false
	case a.mode == LogAll || status >= 500 || failure != nil:
		return true
	}
	sec := now.Unix()
	if last := a.second.Load(); last != sec && a.second.CompareAndSwap(last, sec) {
		a.count.Store(0)
	}
	return a.count.Add(1) <= a.rate
}

func (a *accessLog) write(x *plugin.Exchange, total time.Duration, r *record) {
	level := slog.LevelInfo
	if r.failure != nil {
		level = slog.LevelWarn
	}
	if !a.lines.Enabled(level) {
		return
	}
	ctx := x.Ctx
	line := a.lines.Begin(level, time.Now(), "request")
	line.Bytes("method", ctx.Method())
	line.Bytes("host", ctx.Host())
	line.Bytes("path", pathOf(ctx.Request.Header.RequestURI()))
	line.Int("status", int64(ctx.Response.StatusCode()))
	line.Seconds("seconds", total)
	line.String("client_ip", x.ClientIP)
	if x.Proxied {
		line.Seconds("upstream_seconds", x.UpstreamLatency)
	}
	writeMatched(line, x)
	if x.Sent > 0 {
		line.Int("bytes_sent", x.Sent)
	}
	if x.Limited {
		line.Bool("limited", true)
	}
	if x.CacheStatus != "" {
		line.String("cache", x.CacheStatus)
	}
	if streamOf(ctx.Conn()) != nil {
		line.String("http", "2")
	}
	if c, ok := ctx.Conn().(secured); ok {
		line.String("tls", tlsVersion(c.tlsLayer().state.Version))
	}
	if t := r.tunnel; t != nil {
		line.Int("bytes_received", t.received)
		line.String("tunnel_end", t.reason)
	}
	if r.failure != nil {
		line.String("error", r.failure.Error())
	}
	line.End()
}

// writeMatched names the entities that a request was matched with.
func writeMatched(line *logline.Line, x *plugin.Exchange) {
	if x.Service != nil {
		line.String("service", nameOr(x.Service.Name, x.Service.ID))
	}
	if x.Route != nil {
		line.String("route", nameOr(x.Route.Name, x.Route.ID))
	}
	if x.Consumer != nil {
		line.String("consumer", nameOr(x.Consumer.Username, x.Consumer.ID))
	}
}

// writeUnread writes the line of a request whose header could not be read: it
// has no method, host or path.
func (a *accessLog) writeUnread(status int, clientIP, reason string) {
	if !a.lines.Enabled(slog.LevelWarn) {
		return
	}
	line := a.lines.Begin(slog.LevelWarn, time.Now(), "request")
	line.Int("status", int64(status))
	line.String("client_ip", clientIP)
	line.String("error", reason)
	line.End()
}
