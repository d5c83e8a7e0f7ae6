package opentelemetry

import (
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/tracing"
)

// BenchmarkAccess is what the plugin costs a request of which no span is sent, without its log phase.
func BenchmarkAccess(b *testing.B) {
	t := &tracer{headerType: tracing.Preserve}
	ctx := &fasthttp.RequestCtx{}
	x := &plugin.Exchange{Ctx: ctx}
	b.ReportAllocs()
	for b.Loop() {
		h := &ctx.Request.Header
		h.Reset()
		h.SetRequestURI("/plain/v1/models/17")
		h.SetHost("127.0.0.1:8000")
		h.Set("User-Agent", "gatelab")
		h.Set("X-Forwarded-For", "127.0.0.1")
		h.Set("X-Forwarded-Proto", "http")
		h.Set("Accept", "*/*")
		t.Access(x)
		ctx.ResetUserValues()
	}
}
