package proxy

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// visit is one request on its way through the gateway. Its own methods are the
// stations in their order, from serve to finish; what a station decides and
// remembers is in a part with methods of its own. Visits are reused.
type visit struct {
	plugin.Exchange // what plugins see
	proxy           *Proxy
	routed          *routeEntry
	unrouted        routeEntry // stands in for a route where there is none
	served          *served    // counts it while a trial runs; nil: none does

	admission  admission
	requester  requester
	selection  selection
	body       requestBody
	forwarding forwarding
	response   response
	trailers   trailers
	record     record

	serving   bool // the handler has not returned yet
	expecting bool // the client waits for 100 Continue
	accessed  bool // the plugins have let the request pass, or answered it
	completed bool // complete has run
}

// newVisit binds the functions that a visit hands out, once for all of its
// requests.
func newVisit(p *Proxy) *visit {
	v := &visit{proxy: p}
	x := &v.Exchange
	v.selection = newSelection(x)
	v.body = requestBody{x: x, most: p.config.MaxBodyBytes, configured: p.config.MaxBodyBytes, streamAbove: p.config.StreamAbove}
	v.forwarding.bind(x, v.ended, v.body.interrupt)
	v.trailers = trailers{visit: v}
	v.forwarding.call.Trailers, v.forwarding.call.OnTrailers = v.trailers.ofRequest, v.trailers.ofResponse
	v.response = response{x: x, record: &v.record}
	if p.config.NodeHeader {
		v.response.node = p.nodeName
	}
	v.forwarding.call.OnInterim = v.passInterim
	v.Complete = v.complete
	v.Body = v.body.read
	v.LimitBody = v.body.limit
	v.Capture = func(group string) string { return v.selection.found.Capture(v.selection.match.Path, group) }
	v.Interrupt = v.forwarding.watched.interrupt
	v.Behind = v.behind
	return v
}

// reset forgets the request.
func (v *visit) reset() {
	v.Reset()
	v.routed, v.unrouted = nil, routeEntry{}
	v.served = nil
	v.admission.websocket = false
	v.selection.reset()
	v.body.reset()
	v.forwarding.reset()
	v.response.revision = nil
	v.trailers.reset()
	v.record = record{}
	v.expecting = false
	v.accessed = false
	v.completed = false
}

// serve answers the request: it fills Ctx.Response, at least with status and
// headers.
func (v *visit) serve() {
	defer v.recovered()
	if v.accept() {
		v.proceed()
	}
}

// accept decides whether the request goes to the upstream; otherwise it has been
// answered.
func (v *visit) accept() bool {
	s, ok := v.configuration()
	if !ok {
		return false
	}
	v.response.revision = s.label
	v.trailers.own = s.squeezed
	v.unrouted.series = s.unrouted
	v.routed = &v.unrouted
	if r := v.admission.check(&v.Ctx.Request.Header, v.proxy, s); r != nil {
		v.response.refuse(r)
		return false
	}
	if v.body.isTooLarge() {
		v.response.tooLarge()
		return false
	}
	if r := v.find(s); r != nil {
		v.response.refuse(r)
		return false
	}
	if status := v.selection.found.UpgradeStatus; status != 0 && !v.routed.grpcRoute {
		// Before any plugin, as in Kong: none may count, or answer from the
		// cache, what is for https alone.
		v.response.askForHTTPS(status, v.selection.match.Host)
		return false
	}
	if v.routed.grpcRoute && !v.response.allowGRPC(v.routed.route, v.selection.match.Scheme) {
		return false
	}
	// The plugins run before the body has come, but for those that look into it.
	return v.expecting && v.routed.chain.ReadsRequestBody() || v.access()
}

// configuration is the snapshot that the request is served by.
func (v *visit) configuration() (*snapshot, bool) {
	s, ok := v.proxy.snapshot.Load(), true
	switch {
	case s == nil:
		v.response.reply(fasthttp.StatusServiceUnavailable, "no configuration yet")
		return nil, false
	case v.proxy.config.Revisions != nil:
		s, ok = v.proxy.lookup(v, s)
	}
	if ok && s.choice != nil {
		s = s.choice.choose(v, s)
	}
	return s, ok
}

// find sets the route of the request, and who asks. Everything from here on
// sees the request as it will be forwarded.
func (v *visit) find(s *snapshot) *refusal {
	c, l := &v.proxy.config, &v.selection
	v.admission.clean(&v.Ctx.Request.Header, s)
	v.WebSocket = v.admission.websocket
	v.Directory = s.directory
	l.read(v.Ctx, c.PathAmbiguity)
	v.requester.identify(&v.Exchange, &l.match, v.admission.fields.has, c.TrustedProxies)
	if r := l.find(s.table); r != nil {
		return r
	}
	v.routed = s.routes[l.found.Index]
	v.Route, v.Service = v.routed.route, v.routed.service
	return l.checkPath(s, c.PathAmbiguity, v.routed)
}

// access runs the plugins before the upstream is asked.
func (v *visit) access() bool {
	v.accessed = true
	if !v.routed.chain.Access(&v.Exchange) {
		return true
	}
	v.response.complete()
	v.filter()
	return false
}

// proceed has the request answered by the upstream.
func (v *visit) proceed() {
	v.forward()
	v.filter()
	if v.forwarding.call.Upgraded != nil && v.Ctx.Response.StatusCode() != fasthttp.StatusSwitchingProtocols {
		v.refuseTunnel()
	}
}

// refuseTunnel closes a tunnel that the upstream has opened and a plugin has put another
// answer in the place of: the client must not get that and the tunnel.
func (v *visit) refuseTunnel() {
	call := &v.forwarding.call
	_ = call.Upgraded.Close()
	call.Upgraded = nil
	h := &v.Ctx.Response.Header
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Accept", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
		plugin.DeleteResponseField(h, name)
	}
}

// filter runs the plugins' phases of the response. If one needs the body and it
// cannot be read, nothing has been sent yet: the client gets an error.
func (v *visit) filter() {
	if err := v.routed.chain.Filter(&v.Exchange); err != nil {
		v.Ctx.Response.Reset() // closes the upstream's body
		v.response.noAnswer(err, v.forwarding.watched.lost.Load())
	}
}

// forward asks the upstream and puts its answer into Ctx.Response.
func (v *visit) forward() {
	if v.Route.RequestBuffering { // else the upstream sees the body as it comes
		if err := v.body.readShort(); err != nil {
			v.response.badBody(err)
			return
		}
	}
	if v.Service == nil {
		v.response.reply(fasthttp.StatusServiceUnavailable, "no Service found with those values")
		return
	}
	if v.routed.chain.Ask(&v.Exchange) {
		v.response.complete()
		return
	}
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	v.complete()
	copyHeader(&req.Header, &v.Ctx.Request.Header, v.admission.websocket && v.Rewrite.Method == "", v.admission.fields.trailers)
	announce(&req.Header, v.admission.fields.announced, v.trailers.own)
	to := v.routed.to(v.Rewrite.Diversion)
	v.forwarding.address(&req.Header, to, &v.selection)
	v.body.attach(req)
	if v.routed.grpc {
		v.beginGRPC()
	}
	asked := time.Now()
	v.Asked = asked
	v.record.ownTime = asked.Sub(v.Started)
	err := v.forwarding.ask(v.proxy, to, req, &v.selection, asked)
	answered := time.Now()
	v.UpstreamLatency, v.Waited = answered.Sub(asked), v.forwarding.call.Waited(asked, answered)
	if err != nil {
		lost := v.forwarding.watched.lost.Load()
		v.Withdrawn = lost || upstream.IsWithdrawn(err)
		v.Ctx.Response.Reset()
		v.response.noAnswer(err, lost)
		return
	}
	v.Proxied, v.UpstreamStatus = true, v.Ctx.Response.StatusCode()
	if req.Header.IsHead() && !v.Ctx.IsHead() {
		v.response.empty()
	}
	v.trailers.note(&v.Ctx.Response.Header)
	v.response.pass(v.proxy.via, v.forwarding.call.Upgraded != nil)
	v.forwarding.affinity.setCookie(&to.balancer.Hashing, &v.Ctx.Response.Header)
	if v.routed.grpc {
		if v.forwarding.call.Uploading() {
			v.Ctx.Response.SetConnectionClose()
		}
	} else if v.body.upload.isUnfinished() {
		v.Ctx.Response.SetConnectionClose()
	}
}

// complete writes into the client's request, once, the fields that the gateway
// adds when it forwards. A request that is answered without the upstream does
// without, unless a plugin asks for them.
func (v *visit) complete() {
	if v.completed {
		return
	}
	v.completed = true
	provenance{
		x: &v.Exchange, requester: &v.requester, fields: v.admission.fields.has,
		prefix: v.selection.found.Prefix, port: v.proxy.portOf(v.Ctx), via: v.proxy.via,
	}.write()
}

// recovered answers for a bug: one request fails, not the process.
func (v *visit) recovered() {
	reason := recover()
	if reason == nil {
		return
	}
	v.proxy.metrics.panics.Inc()
	v.proxy.log.Error("panic while serving a request", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
	v.record.failure = fmt.Errorf("panic: %v", reason)
	v.forwarding.unwatch(v.proxy.watch)
	v.Ctx.Response.Reset() // closes the upstream's body, if there is one
	call := &v.forwarding.call
	call.Streamed = false
	if call.Upgraded != nil {
		v.refuseTunnel()
	}
	v.response.reply(fasthttp.StatusInternalServerError, "An unexpected error occurred")
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
		v.forwarding.call.Streamed = false
		return
	}
	if err != nil && v.record.failure == nil {
		v.record.failure = fmt.Errorf("pass on the response: %w", err)
	}
	v.finish()
}

// finish ends the request: log phase, metrics, access log. It runs when the body
// has passed.
func (v *visit) finish() {
	p := v.proxy
	v.forwarding.unwatch(p.watch)
	now := time.Now()
	r := &v.Ctx.Response
	if !v.forwarding.call.Streamed && !r.IsBodyStream() && !v.Ctx.IsHead() {
		v.Sent = int64(len(r.Body()))
	}
	v.Received = max(v.body.received(), v.record.tunnel.bytesReceived())
	s := p.metrics.unknown
	if v.routed != nil {
		s = v.routed.series
		if v.routed.chain != nil {
			v.logPlugins()
		}
	}
	if v.served != nil {
		v.served.note(v.blame(r.StatusCode()), now.Sub(v.Started), v.record.tunnel != nil)
	}
	v.record.write(p, &v.Exchange, s, now)
	p.busy.Add(-1)
	v.reset()
	p.visits.Put(v)
}

// logPlugins runs the plugins' log phase. A bug in one must not take the process,
// nor the request's metrics.
func (v *visit) logPlugins() {
	defer func() {
		if reason := recover(); reason != nil {
			v.proxy.metrics.panics.Inc()
			v.proxy.log.Error("panic while logging a request", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
		}
	}()
	v.routed.chain.Log(&v.Exchange)
}
