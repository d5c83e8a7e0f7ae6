package proxy

import (
	"errors"

	"github.com/valyala/fasthttp"
)

// errNotContinued is what ends a request whose client was told to go on and
// did not.
var errNotContinued = errors.New("the body did not come after 100 Continue")

// expectation is a request that has passed the plugins before its body came. It
// waits in the request's user values for Handler to take it; where the client
// goes away instead, the server closes it there.
type expectation struct{ visit *visit }

var expectationKey any = "gateway.expectation"

// Close ends a request that Handler never got.
func (e *expectation) Close() error {
	if v := e.visit; v != nil {
		e.visit = nil
		v.serving = false
		v.record.failure = errNotContinued
		v.finish()
	}
	return nil
}

// expect is asked, before the body is read, about a request that waits for 100
// Continue: what will be refused anyhow (401, 404, 413, 429) is refused without
// it, and so without the body.
func (p *Proxy) expect(ctx *fasthttp.RequestCtx) int {
	v := p.begin(ctx)
	v.expecting = true
	if v.acceptExpected() {
		ctx.SetUserValue(expectationKey, &expectation{v})
		deferBody(&ctx.Request.Header)
		return fasthttp.StatusContinue
	}
	v.serving = false
	ctx.Response.SetConnectionClose()
	status := ctx.Response.StatusCode()
	v.finish()
	return status
}

// acceptExpected is accept, with a bug answered for.
func (v *visit) acceptExpected() (accepted bool) {
	defer v.recovered()
	return v.accept()
}

// continued is the visit of a request that was told to go on, nil for others.
func (p *Proxy) continued(ctx *fasthttp.RequestCtx) *visit {
	e, ok := ctx.UserValue(expectationKey).(*expectation)
	if !ok || e.visit == nil {
		return nil
	}
	v := e.visit
	e.visit = nil
	return v
}

// serveContinued continues where accept stopped, now that the body comes.
func (v *visit) serveContinued() {
	defer v.recovered()
	if v.accessed || v.access() {
		v.proceed()
	}
}
