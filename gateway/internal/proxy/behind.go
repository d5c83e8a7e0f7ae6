package proxy

import (
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// mostBehind is how many requests the gateway makes of its own accord at a time.
const mostBehind = 256

// background is what the gateway asks upstreams for behind answers that it has given
// already. Time-outs of upstreams bound each of it.
type background struct {
	running atomic.Int64
	done    sync.WaitGroup
}

func (b *background) begin() bool {
	if b.running.Add(1) > mostBehind {
		b.running.Add(-1)
		return false
	}
	b.done.Add(1)
	return true
}

func (b *background) end() {
	b.running.Add(-1)
	b.done.Done()
}

// behind is plugin.Exchange's Behind. The request is copied as the plugins before
// the one that calls have left it; those after it are not asked.
func (v *visit) behind(work plugin.Behind) bool {
	p := v.proxy
	if v.Service == nil || p.deps.Cache == nil || v.admission.websocket || !p.background.begin() {
		return false
	}
	v.complete()
	w := p.visits.Get().(*visit)
	ctx := &fasthttp.RequestCtx{}
	ctx.Init2(noClient{}, nil, false)
	v.Ctx.Request.Header.CopyTo(&ctx.Request.Header)
	ctx.Request.Header.SetMethod(fasthttp.MethodGet)
	w.Ctx, w.Started = ctx, time.Now()
	w.serving, w.completed = true, true
	w.Service, w.Route = v.Service, v.Route
	w.Directory = v.Directory
	w.Consumer, w.CredentialID = v.Consumer, strings.Clone(v.CredentialID)
	w.Authenticated, w.Subject = v.Authenticated, v.Subject
	w.Groups = v.Groups
	w.ClientIP, w.Trusted = strings.Clone(v.ClientIP), v.Trusted
	w.Scheme, w.Host = strings.Clone(v.Scheme), strings.Clone(v.Host)
	w.Rewrite = plugin.Rewrite{
		Method: strings.Clone(v.Rewrite.Method), Host: strings.Clone(v.Rewrite.Host), Path: strings.Clone(v.Rewrite.Path),
		Moved: strings.Clone(v.Rewrite.Moved), Authorized: v.Rewrite.Authorized, Diversion: v.Rewrite.Diversion,
	}
	w.routed = v.routed
	w.response.revision = v.response.revision
	w.selection.found = v.selection.found
	w.selection.found.Prefix = strings.Clone(v.selection.found.Prefix)
	from, to := &v.selection.match, &w.selection.match
	to.Method, to.Host = strings.Clone(from.Method), strings.Clone(from.Host)
	to.Path = strings.Clone(from.Path)
	to.Scheme, to.SNI = strings.Clone(from.Scheme), strings.Clone(from.SNI)
	go w.workBehind(work)
	return true
}

// closeBehind bounds how long Close waits for what runs behind answers.
const closeBehind = 10 * time.Second

// wait is false where something still runs after that time.
func (b *background) wait() bool {
	ended := make(chan struct{})
	go func() {
		b.done.Wait()
		close(ended)
	}()
	timer := time.NewTimer(closeBehind)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// workBehind is the life of a visit that has no client.
func (v *visit) workBehind(work plugin.Behind) {
	p := v.proxy
	defer p.background.end()
	defer func() {
		if reason := recover(); reason != nil {
			p.metrics.panics.Inc()
			p.log.Error("panic behind a request", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			v.forwarding.unwatch(p.watch)
			v.Ctx.Response.Reset()
			work.Log(&v.Exchange)
		}
	}()
	x := &v.Exchange
	if work.Wants(x) {
		v.forward()
		work.HeaderFilter(x)
		r := &v.Ctx.Response
		if stream := r.BodyStream(); stream != nil {
			// No more than may be stored: the rest is nobody's.
			_, _ = io.CopyN(io.Discard, stream, int64(p.deps.Cache.MaxEntryBytes())+1)
			_ = r.CloseBodyStream()
		}
	}
	work.Log(x)
	v.forwarding.unwatch(p.watch)
	v.Ctx.Response.Reset()
	v.reset()
	p.visits.Put(v)
}

// noClient stands where a client's connection would be. It is never gone.
type noClient struct{ net.Conn }

func (noClient) isGone() bool         { return false }
func (noClient) Close() error         { return nil }
func (noClient) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4zero} }
func (noClient) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }
