// Package requestsize is Kong's plugin request-size-limiting: it refuses bodies of
// requests that are too long.
package requestsize

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// units are the bytes of each size_unit.
var units = map[string]int64{"bytes": 1, "kilobytes": 1 << 10, "megabytes": 1 << 20}

// maxSize is the highest allowed_payload_size: of megabytes it is 2 PiB.
const maxSize = 1<<31 - 1

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "request-size-limiting",
			Config: []entity.Field{
				{Name: "allowed_payload_size", Kind: entity.Integer, Default: 128, Between: &[2]float64{0, maxSize}},
				{
					Name: "size_unit", Kind: entity.String, Required: true, Default: "megabytes",
					OneOf: []any{"megabytes", "kilobytes", "bytes"},
				},
				{Name: "require_content_length", Kind: entity.Boolean, Required: true, Default: false},
			},
		},
		Priority: 951,
		New:      newPlugin,
	}
}

// config is the configuration as it is stored.
type config struct {
	AllowedPayloadSize   int64  `json:"allowed_payload_size"`
	SizeUnit             string `json:"size_unit"`
	RequireContentLength bool   `json:"require_content_length"`
}

type limit struct {
	most       int64 // bytes
	wantLength bool
}

var (
	largeBody  = plugin.Message("Request size limit exceeded")
	lengthBody = plugin.Message("A valid Content-Length header is required")
)

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	var in config
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	unit, ok := units[in.SizeUnit]
	if !ok {
		return nil, fmt.Errorf("config.size_unit %q", in.SizeUnit)
	}
	return &limit{most: in.AllowedPayloadSize * unit, wantLength: in.RequireContentLength}, nil
}

// Access refuses a body that is known to be too long before it comes; one in
// chunks is refused when it has come so far.
func (l *limit) Access(x *plugin.Exchange) (answered bool) {
	r := &x.Ctx.Response
	if l.wantLength && len(x.Ctx.Request.Header.Peek(fasthttp.HeaderContentLength)) == 0 {
		plugin.Answer(r, fasthttp.StatusLengthRequired, lengthBody)
		r.SetConnectionClose()
		return true
	}
	fits := int64(x.Ctx.Request.Header.ContentLength()) <= l.most
	if fits && (x.LimitBody == nil || x.LimitBody(l.most)) {
		return l.most == 0 && refuseAny(x)
	}
	plugin.Answer(r, fasthttp.StatusRequestEntityTooLarge, largeBody)
	r.SetConnectionClose() // what is left of the body is not read
	return true
}

// refuseAny refuses a body in chunks that has a byte: no limit that is held while a
// body comes is that small.
func refuseAny(x *plugin.Exchange) (answered bool) {
	body, whole, err := x.RequestBody(1)
	switch {
	case err != nil:
		plugin.AnswerBodyError(&x.Ctx.Response, err)
		return true
	case whole && len(body) == 0:
		return false
	}
	plugin.Answer(&x.Ctx.Response, fasthttp.StatusRequestEntityTooLarge, largeBody)
	x.Ctx.Response.SetConnectionClose()
	return true
}

// ReadsRequestBody tells that none is allowed, for which it has to be looked for.
func (l *limit) ReadsRequestBody() bool { return l.most == 0 }

var (
	_ plugin.AccessPhase       = (*limit)(nil)
	_ plugin.RequestBodyReader = (*limit)(nil)
)
