package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/plugin"
	"gatelab/gateway/internal/route"
	"gatelab/gateway/internal/upstream"
)

// visit is an exchange with what the proxy itself has to remember of it.
// Visits are reused.
type visit struct {
	plugin.Exchange
	proxy    *Proxy
	routed   *routed
	unrouted routed // stands in for a route where there is none
	failure  error
	watched  watched
	watching bool // the watcher has it
	call     upstream.Call
	upload   upload
	tunnel   *tunnel // after 101
	match    route.Request
	found    route.Match
	prefix   string // part of the path that the route's own path took
	upgrade  int    // status that asks for https; 0: none
	ownTime  time.Duration
	serving  bool // the handler has not returned yet
	trusted  bool // the peer is a trusted proxy

	fields    screened // what the header block has that needs work
	websocket bool     // the client asks for a WebSocket
	completed bool     // complete has run
	expecting bool     // the client waits for 100 Continue
	accessed  bool     // the plugins have let the request pass, or answered it
	refused   *refusal // why the request was not admitted, for the access log

	hashCookie string // that the client is given, for consistent hashing

	// Kept from request to request.
	peer     netip.Addr
	peerText string
	body     []byte // of a short request
	head     []byte // of a longer one: what a plugin has read of it
	uri      []byte // that the upstream is asked for
}

// newVisit binds the functions that a visit hands out, once for all of its
// requests.
func newVisit(p *Proxy) *visit {
	v := &visit{proxy: p}
	v.match.Header = v.header
	v.Complete, v.Body, v.Interrupt = v.complete, v.readBody, v.watched.interrupt
	v.call.OnConn, v.call.OnEnd, v.call.Gone = v.watched.conn, v.ended, v.watched.lost.Load
	return v
}

// reset forgets the request.
func (v *visit) reset() {
	v.Reset()
	v.routed, v.failure, v.prefix = nil, nil, ""
	v.upgrade, v.ownTime, v.trusted = 0, 0, false
	v.unrouted, v.found, v.hashCookie = routed{}, route.Match{}, ""
	v.websocket, v.completed, v.expecting, v.accessed, v.refused = false, false, false, false, nil
	v.upload, v.tunnel, v.head = upload{}, nil, nil
	v.watched.reset()
	v.match = route.Request{Header: v.match.Header}
	v.call = upstream.Call{OnConn: v.call.OnConn, OnEnd: v.call.OnEnd, Gone: v.call.Gone}
}

// find sets the route of the request, and who asks. Everything from here on
// sees the request as it will be forwarded.
func (v *visit) find(s *snapshot) *refusal {
	h := &v.Ctx.Request.Header
	v.websocket = v.fields.clean(h, s.configured)
	v.Directory = s.directory
	m := &v.match
	m.Method, m.Host, m.Scheme = view(h.Method()), view(h.Host()), "http"
	m.Path = route.Normalize(view(pathOf(h.RequestURI())))
	if v.proxy.config.PathAmbiguity == PathUnescape {
		m.Path = route.Unescape(m.Path)
	}
	if state := v.Ctx.TLSConnectionState(); state != nil {
		m.Scheme, m.SNI = "https", state.ServerName
	}
	v.identify()
	v.Trusted = v.trusted
	found, ok := s.table.Match(m)
	if !ok && m.Exhausted() {
		return errExpensive
	}
	if !ok {
		return errNoRoute
	}
	v.routed = &s.routes[found.Index]
	v.Route, v.Service = v.routed.route, v.routed.service
	v.found = found
	v.prefix, v.upgrade = found.Prefix, found.UpgradeStatus
	return v.checkPath(s)
}

// recovered answers for a bug: one request fails, not the process.
func (v *visit) recovered() {
	reason := recover()
	if reason == nil {
		return
	}
	v.proxy.metrics.panics.Inc()
	v.proxy.log.Error("panic while serving a request", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
	v.failure = fmt.Errorf("panic: %v", reason)
	v.unwatch()
	v.Ctx.Response.Reset() // closes the upstream's body, if there is one
	v.call.Streamed = false
	if v.call.Upgraded != nil {
		_ = v.call.Upgraded.Close()
		v.call.Upgraded = nil
	}
	v.reply(fasthttp.StatusInternalServerError, "An unexpected error occurred")
	v.Ctx.Response.SetConnectionClose()
}

// errNotTaken says that a client left before it had the whole of a body that
// was read ahead of it.
var errNotTaken = errors.New("the client did not take the whole response")

// ended is called by the upstream's body when it has passed, in the goroutine
// that serves the client. While the handler runs it means that a plugin has
// thrown the body away.
func (v *visit) ended(passed int64, err error) {
	v.Sent = passed
	if v.Spooled {
		v.Sent = v.Delivered
		if err == nil && v.Delivered < passed {
			err = errNotTaken
		}
	}
	if v.serving {
		v.call.Streamed = false
		return
	}
	if err != nil && v.failure == nil {
		v.failure = fmt.Errorf("pass on the response: %w", err)
	}
	v.finish()
}

// finish ends the request: log faces, metrics, access log. It runs when the
// body has passed.
func (v *visit) finish() {
	p := v.proxy
	v.unwatch()
	now := time.Now()
	total := now.Sub(v.Started)
	r := &v.Ctx.Response
	if !v.call.Streamed && !r.IsBodyStream() && !v.Ctx.IsHead() {
		v.Sent = int64(len(r.Body()))
	}
	v.Received = max(v.upload.read, int64(len(v.body)), v.tunnel.bytesReceived())
	status := r.StatusCode()
	s := p.metrics.unknown
	if v.routed != nil {
		s = v.routed.series
	}
	if v.routed != nil && v.routed.chain != nil {
		v.logPlugins()
	}
	s.count(status)
	latency := s.latency.get()
	if v.tunnel == nil { // which lasts as long as it is used
		latency.total.Observe(total.Seconds())
	}
	latency.overhead.Observe(v.ownTime.Seconds())
	if v.Proxied {
		latency.upstream.Observe(v.UpstreamLatency.Seconds())
	}
	if p.access.wants(status, v.failure, now) {
		if v.refused != nil { // no failure: a client may send as many as it likes
			v.failure = v.refused
		}
		p.access.write(&v.Exchange, total, v.failure, v.tunnel.attrs()...)
	}
	p.busy.Add(-1)
	v.body = v.body[:0]
	v.reset()
	p.visits.Put(v)
}

// logPlugins runs the log faces. A bug in one must not take the process, nor
// the request's metrics.
func (v *visit) logPlugins() {
	defer func() {
		if reason := recover(); reason != nil {
			v.proxy.metrics.panics.Inc()
			v.proxy.log.Error("panic while logging a request", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
		}
	}()
	v.routed.chain.Log(&v.Exchange)
}

// watch has the client looked at while it waits; unwatch ends it.
func (v *visit) watch(now time.Time) {
	v.watching = true
	v.proxy.watch.begin(&v.watched, v.Ctx.Conn(), now)
}

func (v *visit) unwatch() {
	if v.watching {
		v.watching = false
		v.proxy.watch.end(&v.watched)
	}
}
