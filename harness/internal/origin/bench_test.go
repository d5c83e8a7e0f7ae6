package origin_test

import (
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/harness/internal/origin"
)

// BenchmarkModel is what a model costs beside its delay: it shares its cores
// with what is measured.
func BenchmarkModel(b *testing.B) {
	o := origin.New(config())
	var ctx fasthttp.RequestCtx
	ctx.Request.SetRequestURI("/v1/models/7")
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		o.Handler(&ctx)
	}
}
