package requesttransformer

import (
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

func newExchange() *plugin.Exchange {
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.Header.SetHost("x")
	ctx.Request.SetRequestURI("/")
	return &plugin.Exchange{Ctx: ctx}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a", "$(headers.x)", `a$(query_params["a b"] or uri_captures[1] or 'c')d`, "$(", "$()",
		"$(headers.x or )", "$$(headers.x)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		parsed, err := parseTemplate(value)
		if err != nil {
			return
		}
		if got := parsed.render(newExchange(), nil); parsed.isFixed() && got != value {
			t.Fatalf("%q became %q", value, got)
		}
	})
}
