package airatelimiting

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

var (
	eventStream = []byte("text/event-stream")
	jsonContent = []byte("application/json")
)

// HeaderFilter tells the client what is left, and has the usage read from the answer while it passes.
func (p *limiting) HeaderFilter(x *plugin.Exchange) {
	c, _ := x.Ctx.UserValue(p).(*call)
	if c == nil {
		return
	}
	r := &x.Ctx.Response
	if !p.HideHeaders {
		p.tell(&r.Header, c)
	}
	if !x.Proxied || len(r.Header.Peek(fasthttp.HeaderContentEncoding)) > 0 {
		return
	}
	kind := bytes.ToLower(r.Header.ContentType())
	switch {
	case bytes.HasPrefix(kind, eventStream):
		c.events = &eventScanner{}
		p.watch(x, c, c.events.write)
	case bytes.HasPrefix(kind, jsonContent):
		s := &usageScanner{}
		p.watch(x, c, func(b []byte) {
			s.write(b)
			c.usage = s.found
		})
	}
}

// watch gives see the answer's body.
func (p *limiting) watch(x *plugin.Exchange, c *call, see func([]byte)) {
	r := &x.Ctx.Response
	if !r.IsBodyStream() {
		see(r.Body())
		c.ended = time.Now()
		return
	}
	plugin.SetBodyStream(r, &watched{src: r.BodyStream(), call: c, see: see}, r.Header.ContentLength())
}

// watched is a body that is looked at while it passes, piece by piece as it comes.
type watched struct {
	src  io.Reader
	call *call
	see  func([]byte)
}

// Read is io.Reader's.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.src.Read(b)
	if n > 0 {
		w.see(b[:n])
		w.call.ended = time.Now()
		if s := w.call.events; s != nil && w.call.firstEvent.IsZero() && (s.events > 0 || s.content) {
			w.call.firstEvent = w.call.ended
		}
	}
	return n, err
}

// Close is io.Closer's.
func (w *watched) Close() error {
	if c, ok := w.src.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Log puts what was reserved right.
func (p *limiting) Log(x *plugin.Exchange) {
	c, _ := x.Ctx.UserValue(p).(*call)
	if c == nil {
		return
	}
	x.Ctx.SetUserValue(p, nil)
	used := p.settle(x, c)
	service := ""
	if x.Service != nil {
		if service = x.Service.Name; service == "" {
			service = x.Service.ID
		}
	}
	p.metrics.observe(service, c, used, x.Asked)
	if !c.allowed {
		return // of a dry run: nothing was reserved
	}
	by := make([]int64, len(c.took))
	changed := false
	for i, took := range c.took {
		by[i] = p.count(used) - took
		changed = changed || by[i] != 0
	}
	if !changed {
		return
	}
	if err := p.counts.adjust(context.Background(), c.key, p.windows, &c.decision, by); err != nil {
		p.metrics.lost.Inc()
	}
}

// settle is what the request took in the end.
func (p *limiting) settle(x *plugin.Exchange, c *call) usage {
	if c.events != nil {
		c.usage = c.events.found
	}
	switch {
	case !x.Proxied:
		return usage{told: true} // answered from the cache, or by another plugin
	case c.usage.told:
		return c.usage
	case x.Ctx.Response.StatusCode() >= fasthttp.StatusBadRequest:
		return usage{told: true} // a model that was not asked
	case c.events != nil:
		// Providers send about a token in an event. A client that leaves early has had those.
		return usage{prompt: c.prompt, completion: c.events.events}
	}
	return usage{prompt: c.prompt, completion: c.completion}
}

var (
	_ plugin.AccessPhase       = (*limiting)(nil)
	_ plugin.HeaderFilterPhase = (*limiting)(nil)
	_ plugin.LogPhase          = (*limiting)(nil)
	_ plugin.RequestBodyReader = (*limiting)(nil)
)
