package proxycache

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// refresh asks the upstream for what a client has been answered with something stale
// for (RFC 5861, 3).
type refresh struct {
	plugin *proxyCache
	key    cache.Key
	fill   *cache.Fill
}

// refreshBehind has what is stored under key refreshed, unless that is under way
// already. It is false where it cannot be done behind the answer.
func (p *proxyCache) refreshBehind(x *plugin.Exchange, key cache.Key, directives cache.Directives) bool {
	if x.Behind == nil {
		return false
	}
	fill := p.space.Refresh(p.query(x, key, directives))
	if fill == nil {
		return true
	}
	if !p.workBehind(x, key, fill) {
		fill.Abandon()
		return false
	}
	return true
}

func (p *proxyCache) workBehind(x *plugin.Exchange, key cache.Key, fill *cache.Fill) bool {
	return x.Behind != nil && x.Behind(&refresh{plugin: p, key: key, fill: fill})
}

// Wants looks whether another replica has refreshed it, or does so now.
func (f *refresh) Wants(x *plugin.Exchange) bool {
	p := f.plugin
	q := p.query(x, f.key, noDirectives)
	if f.fill.Newer(context.Background(), q) {
		return false
	}
	h := &x.Ctx.Request.Header
	for _, name := range oddRequest {
		plugin.DeleteField(h, name)
	}
	plugin.DeleteField(h, fasthttp.HeaderIfRange)
	found := cache.Found{Entry: p.space.Peek(f.key, asForwarded(x)), Fill: f.fill}
	if found.Entry != nil && !found.Entry.AcceptedBy(h) {
		found.Entry = nil
	}
	v := p.forward(x, q, noDirectives, &found, time.Now())
	v.condition = condition{} // the client's has been answered
	v.counted = true
	return true
}

// HeaderFilter is the plugin's.
func (f *refresh) HeaderFilter(x *plugin.Exchange) { f.plugin.HeaderFilter(x) }

// Log is the plugin's, and ends a fill that never came to it.
func (f *refresh) Log(x *plugin.Exchange) {
	f.plugin.Log(x)
	f.fill.Abandon()
}
