package origin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/internal/webguard"
)

const (
	modelsPath = "/v1/models"
	chatPath   = "/v1/chat/completions"
)

// Handler serves the API, /anything, /bytes/N and /websocket, and /health, /stats, /reset and /illness, which are
// not counted.
func (o *Origin) Handler(ctx *fasthttp.RequestCtx) {
	path := string(ctx.Path())
	get := ctx.IsGet() || ctx.IsHead()
	if strings.HasPrefix(path, "/v1/") && o.suffer(ctx) {
		return
	}
	if path == illnessPath || path == "/stats" || path == "/reset" {
		if why := o.guard.Check(guardRequest(ctx)); why != nil {
			ctx.Error(why.Message, fasthttp.StatusForbidden)
			return
		}
	}
	switch {
	case path == illnessPath:
		o.serveIllness(ctx)
	case path == "/health" && get:
		ctx.SetBodyString("ok\n")
	case path == "/stats" && get:
		o.writeStats(ctx)
	case path == "/reset" && ctx.IsPost():
		o.Reset()
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	case path == modelsPath && get:
		o.serveList(ctx)
	case strings.HasPrefix(path, modelsPath+"/") && get:
		o.serveModel(ctx, path[len(modelsPath)+1:])
	case path == chatPath && ctx.IsPost():
		o.serveChat(ctx)
	case hasAny(ctx):
		o.serveAny(ctx)
	case path == chatPath:
		ctx.Response.Header.Set("Allow", "POST")
		o.fail(ctx, chat, fasthttp.StatusMethodNotAllowed, "want POST")
	case path == modelsPath || strings.HasPrefix(path, modelsPath+"/"):
		ctx.Response.Header.Set("Allow", "GET, HEAD")
		o.fail(ctx, other, fasthttp.StatusMethodNotAllowed, "want GET")
	case isEcho(path):
		o.serveEcho(ctx)
	case path == socketPath && get:
		o.serveSocket(ctx)
	case strings.HasPrefix(path, bytesPath) && get:
		o.serveBytes(ctx, path[len(bytesPath):])
	default:
		o.fail(ctx, other, fasthttp.StatusNotFound, "no such resource")
	}
}

// guardRequest is what the guard looks at. The API itself takes any Host: it is
// behind gateways.
func guardRequest(ctx *fasthttp.RequestCtx) *webguard.Request {
	h := &ctx.Request.Header
	values := func(name string) (out []string) {
		for _, v := range h.PeekAll(name) {
			out = append(out, string(v))
		}
		return out
	}
	host := string(h.Host())
	return &webguard.Request{
		Method: string(ctx.Method()), Host: host, NoHost: host == "" && !h.IsHTTP11(),
		Origins: values("Origin"), Sites: values("Sec-Fetch-Site"), Local: ctx.LocalAddr(),
	}
}

func (o *Origin) writeStats(ctx *fasthttp.RequestCtx) {
	b, err := json.Marshal(o.Stats())
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(b)
}

// begin waits a request's delay and draws whether it fails; false when an error was
// sent.
func (o *Origin) begin(ctx *fasthttp.RequestCtx, e endpoint, d delay) bool {
	n := o.counts.arrive()
	if !o.wait(d.at(o.draw(n, 0))) {
		o.fail(ctx, e, fasthttp.StatusServiceUnavailable, "shutting down")
		return false
	}
	if o.draw(n, 1) < o.config.ErrorRate {
		o.fail(ctx, e, fasthttp.StatusInternalServerError, "simulated error")
		return false
	}
	return true
}

func (o *Origin) serveModel(ctx *fasthttp.RequestCtx, name string) {
	if !o.begin(ctx, model, o.models) {
		return
	}
	id, err := strconv.Atoi(strings.TrimPrefix(name, "model-"))
	if err != nil || id < 1 || id > o.config.Models {
		o.fail(ctx, model, fasthttp.StatusNotFound, fmt.Sprintf("no model %q: want 1 to %d", name, o.config.Models))
		return
	}
	o.cacheable(ctx, model, o.modelBody(id))
}

func (o *Origin) serveList(ctx *fasthttp.RequestCtx) {
	if !o.begin(ctx, models, o.models) {
		return
	}
	args := ctx.QueryArgs()
	after, limit := args.GetUintOrZero("after"), args.GetUintOrZero("limit")
	if limit == 0 {
		limit = 20
	}
	o.cacheable(ctx, models, o.listBody(after, min(limit, 100)))
}

// cacheable sends a body, or 304 if the client has it.
func (o *Origin) cacheable(ctx *fasthttp.RequestCtx, e endpoint, body []byte) {
	tag := `"` + hash(body) + `"`
	ctx.Response.Header.Set("ETag", tag)
	if o.config.CacheMaxAge > 0 {
		ctx.Response.Header.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(o.config.CacheMaxAge/time.Second)))
	}
	if matches(string(ctx.Request.Header.Peek("If-None-Match")), tag) {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		o.counts.add(e, fasthttp.StatusNotModified, 0)
		return
	}
	o.answer(ctx, e, fasthttp.StatusOK, body)
}

// matches says whether an If-None-Match names tag, by weak comparison.
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// Serve answers on listen until ctx ends. Then requests in flight are answered
// at once; what is still there after a second is dropped.
func (o *Origin) Serve(ctx context.Context, listen string) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return o.ServeListener(ctx, ln)
}

// ServeListener is Serve on a listener, which it closes. An Origin serves once.
func (o *Origin) ServeListener(ctx context.Context, ln net.Listener) error {
	handler := o.Handler
	if o.tracer != nil {
		handler = o.tracer.wrap(handler)
		sending, end := context.WithCancel(context.WithoutCancel(ctx)) // until the last request was answered
		var sender sync.WaitGroup
		sender.Go(func() { o.tracer.run(sending) })
		defer sender.Wait()
		defer end()
	}
	server := &fasthttp.Server{
		Handler:         handler,
		Name:            "origin",
		IdleTimeout:     5 * time.Minute, // longer than any gateway keeps its idle connections
		ReadTimeout:     time.Minute,
		CloseOnShutdown: true,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		close(o.done)
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	close(o.done)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.ShutdownWithContext(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shut down: %w", err)
	}
	return <-served
}
