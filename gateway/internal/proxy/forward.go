package proxy

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/upstream"
)

// forward asks the upstream and puts its answer into ctx.Response.
func (v *visit) forward() {
	if v.Service == nil {
		v.reply(fasthttp.StatusServiceUnavailable, "no Service found with those values")
		return
	}
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	v.prepare(req)
	v.attachBody(req)
	s, c := v.Service, &v.call
	c.Balancer, c.Hash, c.Request, c.Response, c.Retries = v.routed.balancer, v.hash(), req, &v.Ctx.Response, s.Retries
	c.Connect, c.Write, c.Read = millis(s.ConnectTimeout), millis(s.WriteTimeout), millis(s.ReadTimeout)
	c.Unbuffered = !v.Route.ResponseBuffering
	asked := time.Now()
	c.Now = asked
	v.ownTime = asked.Sub(v.Started)
	v.watch(asked)
	err := v.proxy.pools.Do(c)
	if !c.Streamed || err != nil {
		v.unwatch() // else when the stream ends
	}
	v.UpstreamLatency = time.Since(asked)
	if err != nil {
		v.Ctx.Response.Reset()
		v.fail(err)
		return
	}
	v.Proxied = true
	v.received()
}

// received turns the upstream's headers into the client's.
func (v *visit) received() {
	h := &v.Ctx.Response.Header
	v.finishHeader(h)
	h.Del(responseLatency) // another gateway's; here it would say that this one answered
	setMillis(h, headerUpstreamLatency, v.UpstreamLatency)
	setMillis(h, headerProxyLatency, v.ownTime)
	v.setHashCookie()
	v.sign()
}

// fail answers for an upstream that did not.
func (v *visit) fail(err error) {
	v.failure = err
	var (
		dns     *net.DNSError
		body    *upstream.BodyError
		timeout interface{ Timeout() bool }
	)
	switch {
	case v.watched.lost.Load():
		v.failure = fmt.Errorf("the client went away: %w", err)
		v.reply(statusClientGone, "client closed request")
		v.Ctx.Response.SetConnectionClose()
	case errors.Is(err, errBodyTooLarge):
		v.tooLarge()
	case errors.As(err, &body):
		v.badBody(body.Err)
	case errors.Is(err, upstream.ErrNoTarget):
		v.reply(fasthttp.StatusServiceUnavailable, upstream.ErrNoTarget.Error())
	case errors.As(err, &dns):
		v.reply(fasthttp.StatusServiceUnavailable, "name resolution failed")
	case errors.As(err, &timeout) && timeout.Timeout():
		v.reply(fasthttp.StatusGatewayTimeout, "The upstream server is timing out")
	default:
		v.reply(fasthttp.StatusBadGateway, "An invalid response was received from the upstream server")
	}
	if v.Ctx.Request.IsBodyStream() {
		v.Ctx.Response.SetConnectionClose() // what is left of the body was not read
	}
}

// statusClientGone is nginx's: the client left before there was an answer.
const statusClientGone = 499

// askForHTTPS answers plain http on a route that takes https only.
func (v *visit) askForHTTPS() {
	h := &v.Ctx.Response.Header
	if v.upgrade == fasthttp.StatusUpgradeRequired {
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "TLS/1.2, HTTP/1.1")
		v.reply(v.upgrade, "Please use HTTPS protocol")
		return
	}
	h.Set(fasthttp.HeaderLocation, "https://"+hostOnly(v.match.Host)+string(v.Ctx.Request.Header.RequestURI()))
	v.Ctx.Response.SetStatusCode(v.upgrade)
	v.answered()
}

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }
