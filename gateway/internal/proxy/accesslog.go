package proxy

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

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
	log    *slog.Logger
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

func (a *accessLog) write(x *plugin.Exchange, total time.Duration, failure error, more ...slog.Attr) {
	ctx := x.Ctx
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("method", string(ctx.Method())),
		slog.String("host", string(ctx.Host())),
		slog.String("path", string(pathOf(ctx.Request.Header.RequestURI()))),
		slog.Int("status", ctx.Response.StatusCode()),
		slog.Float64("seconds", total.Seconds()),
		slog.String("client_ip", x.ClientIP),
	)
	if x.Proxied {
		attrs = append(attrs, slog.Float64("upstream_seconds", x.UpstreamLatency.Seconds()))
	}
	if x.Service != nil {
		attrs = append(attrs, slog.String("service", nameOr(x.Service.Name, x.Service.ID)))
	}
	if x.Route != nil {
		attrs = append(attrs, slog.String("route", nameOr(x.Route.Name, x.Route.ID)))
	}
	if x.Consumer != nil {
		attrs = append(attrs, slog.String("consumer", nameOr(x.Consumer.Username, x.Consumer.ID)))
	}
	if x.Sent > 0 {
		attrs = append(attrs, slog.Int64("bytes_sent", x.Sent))
	}
	if x.Limited {
		attrs = append(attrs, slog.Bool("limited", true))
	}
	if x.CacheStatus != "" {
		attrs = append(attrs, slog.String("cache", x.CacheStatus))
	}
	if streamOf(ctx.Conn()) != nil {
		attrs = append(attrs, slog.String("http", "2"))
	}
	if c, ok := ctx.Conn().(secured); ok {
		attrs = append(attrs, slog.String("tls", tlsVersion(c.tlsLayer().state.Version)))
	}
	attrs = append(attrs, more...)
	level := slog.LevelInfo
	if failure != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", failure.Error()))
	}
	a.log.LogAttrs(context.Background(), level, "request", attrs...)
}

// writeUnread writes the line of a request whose header could not be read: it
// has no method, host or path.
func (a *accessLog) writeUnread(status int, clientIP, reason string) {
	a.log.LogAttrs(context.Background(), slog.LevelWarn, "request",
		slog.Int("status", status), slog.String("client_ip", clientIP), slog.String("error", reason))
}
