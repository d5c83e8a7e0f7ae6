package origin

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/harness/internal/otlp"
)

// service is the origin's name in traces.
const service = "origin"

// Of the export of spans.
const (
	keptSpans  = 8192                   // that wait; further ones are lost, and counted
	batchSpans = 512                    // in one export
	flushEvery = 500 * time.Millisecond // that spans wait for others
	lastFlush  = time.Second            // for what is left at the end
)

// tracer sends a span of every sampled request to a collector.
type tracer struct {
	url     string
	spans   chan otlp.Span
	traced  atomic.Uint64 // requests that belong to a trace
	sampled atomic.Uint64 // of them, those of which spans are recorded
	lost    atomic.Uint64 // spans that could not be sent
}

func newTracer(url string) *tracer { return &tracer{url: url, spans: make(chan otlp.Span, keptSpans)} }

// wrap is a handler whose sampled requests have a span. It ends when the handler does: of a stream it is the time to its beginning.
func (t *tracer) wrap(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		value := ctx.Request.Header.Peek(otlp.TraceparentHeader)
		if len(value) == 0 {
			next(ctx)
			return
		}
		from, err := otlp.ParseContext(value)
		if err != nil { // as the specification asks: the request is handled as one without
			next(ctx)
			return
		}
		t.traced.Add(1)
		if !from.Sampled {
			next(ctx)
			return
		}
		t.sampled.Add(1)
		began := time.Now()
		name := string(ctx.Method())
		next(ctx)
		t.send(otlp.Span{
			Trace: from.Trace, ID: otlp.NewSpanID(), Parent: from.Span, Service: service, Name: name, Kind: otlp.Server,
			Start: began, End: time.Now(), Status: ctx.Response.StatusCode(),
		})
	}
}

func (t *tracer) send(s otlp.Span) {
	select {
	case t.spans <- s:
	default:
		t.lost.Add(1)
	}
}

// run sends spans in batches until ctx ends, and then those that are left.
func (t *tracer) run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	batch := make([]otlp.Span, 0, batchSpans)
	flush := func(ctx context.Context) {
		if err := otlp.Send(ctx, t.url, service, batch); err != nil {
			t.lost.Add(uint64(len(batch)))
		}
		batch = batch[:0]
	}
	for {
		select {
		case s := <-t.spans:
			if batch = append(batch, s); len(batch) == batchSpans {
				flush(ctx)
			}
		case <-tick.C:
			flush(ctx)
		case <-ctx.Done():
			for len(t.spans) > 0 && len(batch) < keptSpans {
				batch = append(batch, <-t.spans)
			}
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			flush(last)
			cancel()
			return
		}
	}
}
