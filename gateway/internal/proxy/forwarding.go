package proxy

import (
	"bytes"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// forwarding is the exchange with the upstream.
type forwarding struct {
	call     upstream.Call
	affinity affinity
	watched  clientWatch
	watching bool   // the watcher has it
	uri      []byte // that the upstream is asked for; kept from request to request
	onTry    func(upstream.Try)
}

// bind sets the call's hooks, which stay the same for all requests.
func (f *forwarding) bind(x *plugin.Exchange, onEnd func(passed int64, err error), onRefusal func()) {
	f.onTry = func(t upstream.Try) { x.Tries = append(x.Tries, plugin.Try(t)) }
	f.call = upstream.Call{OnConn: f.watched.conn, OnEnd: onEnd, Gone: f.watched.lost.Load, OnRefusal: onRefusal}
}

func (f *forwarding) reset() {
	f.affinity = affinity{}
	f.watched.reset()
	c := &f.call
	*c = upstream.Call{
		OnConn: c.OnConn, OnEnd: c.OnEnd, Gone: c.Gone, OnRefusal: c.OnRefusal, Trailers: c.Trailers, OnTrailers: c.OnTrailers,
		OnInterim: c.OnInterim,
	}
}

// address sets the method, the path and the host that the upstream is asked for.
func (f *forwarding) address(h *fasthttp.RequestHeader, to *routeEntry, l *selection) {
	uri := l.x.Ctx.Request.Header.RequestURI()
	rewrite := &l.x.Rewrite
	buf := f.uri[:0]
	if rewrite.Path != "" {
		buf = append(buf, rewrite.Path...)
	} else {
		buf = route.AppendUpstreamPath(buf, to.route, to.service.Path, l.match.Path, l.found.Prefix)
	}
	if i := bytes.IndexByte(uri, '?'); i >= 0 {
		buf = append(buf, uri[i:]...)
	}
	h.SetRequestURIBytes(buf)
	f.uri = buf
	l.x.UpstreamURI = buf
	if rewrite.Method != "" {
		h.SetMethod(rewrite.Method)
	}
	switch {
	case rewrite.Host != "":
		h.SetHost(rewrite.Host)
		f.call.KeepHost = true
	case to.route.PreserveHost && len(h.Host()) > 0: // HTTP/1.0 may come without
		f.call.KeepHost = true
	case to.balancer.HostHeader != "":
		h.SetHost(to.balancer.HostHeader)
		f.call.KeepHost = true
	default:
		h.SetHost(to.host) // until a target is chosen: with each attempt it becomes that target's
	}
}

// ask sends the request, and waits for the answer's header. The client is watched
// meanwhile, and for as long as a stream lasts.
func (f *forwarding) ask(p *Proxy, to *routeEntry, req *fasthttp.Request, l *selection, now time.Time) error {
	c := &f.call
	c.Balancer, c.Hash = to.balancer, f.affinity.hash(&to.balancer.Hashing, l)
	c.Request, c.Response = req, &l.x.Ctx.Response
	c.Retries = to.service.Retries
	c.Connect, c.Write = millis(to.service.ConnectTimeout), millis(to.service.WriteTimeout)
	c.Read = millis(to.service.ReadTimeout)
	c.Unbuffered = !to.route.ResponseBuffering
	c.Now = now
	if to.chain.ReadsTimes() {
		c.OnTry = f.onTry
	}
	f.watch(p.watch, l.x.Ctx.Conn(), now)
	err := p.pools.Do(c)
	if !c.Streamed || err != nil {
		f.unwatch(p.watch) // else when the stream ends
	}
	return err
}

// watch has the client looked at while it waits; unwatch ends it.
func (f *forwarding) watch(w *watcher, client net.Conn, now time.Time) {
	f.watching = true
	w.begin(&f.watched, client, now)
}

func (f *forwarding) unwatch(w *watcher) {
	if f.watching {
		f.watching = false
		w.end(&f.watched)
	}
}

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }
