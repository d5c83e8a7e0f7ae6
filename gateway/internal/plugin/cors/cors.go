package cors

import (
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the configuration as it is stored.
type config struct {
	Origins           []string `json:"origins"`
	Headers           []string `json:"headers"`
	ExposedHeaders    []string `json:"exposed_headers"`
	Methods           []string `json:"methods"`
	MaxAge            *float64 `json:"max_age"` // seconds
	Credentials       bool     `json:"credentials"`
	PreflightContinue bool     `json:"preflight_continue"`
	PrivateNetwork    bool     `json:"private_network"`
}

// cors answers preflight requests, and puts its fields on other answers.
type cors struct {
	config
	origins []origin
}

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	p := &cors{}
	if err := plugin.DecodeConfig(c, &p.config); err != nil {
		return nil, err
	}
	for _, text := range p.Origins {
		o, err := parseOrigin(text)
		if err != nil {
			return nil, err
		}
		p.origins = append(p.origins, o)
	}
	return p, nil
}

// The fields of the protocol that fasthttp has no names for.
const (
	requestPrivateNetwork = "Access-Control-Request-Private-Network"
	allowPrivateNetwork   = "Access-Control-Allow-Private-Network"
)

// Access answers preflight requests, unless the upstream is to.
func (p *cors) Access(x *plugin.Exchange) (answered bool) {
	if !isPreflight(x) || p.PreflightContinue {
		return false
	}
	in, out := &x.Ctx.Request.Header, &x.Ctx.Response.Header
	p.allow(x)
	if len(p.Headers) > 0 {
		out.Set(fasthttp.HeaderAccessControlAllowHeaders, strings.Join(p.Headers, ","))
	} else if asked := in.Peek(fasthttp.HeaderAccessControlRequestHeaders); len(asked) > 0 {
		out.SetBytesV(fasthttp.HeaderAccessControlAllowHeaders, asked)
	}
	out.Set(fasthttp.HeaderAccessControlAllowMethods, strings.Join(p.Methods, ","))
	if p.MaxAge != nil {
		out.Set(fasthttp.HeaderAccessControlMaxAge, strconv.FormatFloat(*p.MaxAge, 'f', -1, 64))
	}
	if p.PrivateNetwork && string(in.Peek(requestPrivateNetwork)) == "true" {
		out.Set(allowPrivateNetwork, "true")
	}
	x.Ctx.Response.SetStatusCode(fasthttp.StatusOK)
	return true
}

func isPreflight(x *plugin.Exchange) bool {
	h := &x.Ctx.Request.Header
	return x.Ctx.IsOptions() && len(h.Peek(fasthttp.HeaderOrigin)) > 0 && len(h.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0
}

// HeaderFilter puts the fields on an answer. That to a preflight request is the
// upstream's own.
func (p *cors) HeaderFilter(x *plugin.Exchange) {
	if isPreflight(x) {
		return
	}
	p.allow(x)
	if len(p.ExposedHeaders) > 0 {
		x.Ctx.Response.Header.Set(fasthttp.HeaderAccessControlExposeHeaders, strings.Join(p.ExposedHeaders, ","))
	}
}

// allow says which origin may read the answer, and whether with credentials.
func (p *cors) allow(x *plugin.Exchange) {
	h := &x.Ctx.Response.Header
	asks := string(x.Ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	allowed, depends := p.allowed(asks)
	if p.Credentials && allowed == "*" {
		// Browsers take no credentials with "*": as in Kong the asking origin is
		// named, whichever it is.
		allowed, depends = asks, true
	}
	if depends {
		h.Add(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	}
	plugin.DeleteResponseField(h, fasthttp.HeaderAccessControlAllowOrigin)
	plugin.DeleteResponseField(h, fasthttp.HeaderAccessControlAllowCredentials)
	if allowed == "" {
		if p.Credentials && asks == "" && p.isForAll() {
			h.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
		}
		return
	}
	h.Set(fasthttp.HeaderAccessControlAllowOrigin, allowed)
	if p.Credentials {
		h.Set(fasthttp.HeaderAccessControlAllowCredentials, "true")
	}
}

func (p *cors) isForAll() bool { return len(p.origins) == 0 || len(p.origins) == 1 && p.origins[0].any }

// allowed is the origin that may read the answer, "" for none; depends says that
// another request may have another one.
func (p *cors) allowed(asks string) (allowed string, depends bool) {
	switch {
	case p.isForAll():
		return "*", false
	case len(p.origins) == 1 && p.origins[0].expr == nil:
		return p.origins[0].text, true
	case asks == "", strings.ContainsAny(asks, `?#\@%, "`):
		return "", true // no origin: an expression could take what others read as a query for a host
	}
	whole, host := normalize(asks)
	for _, o := range p.origins {
		switch {
		case o.any:
			return "*", true
		case o.expr == nil && o.exact == whole, o.expr != nil && !o.byHost && o.expr.MatchString(whole),
			o.byHost && o.expr.MatchString(host):
			return whole, true
		}
	}
	return "", true
}

var (
	_ plugin.AccessPhase       = (*cors)(nil)
	_ plugin.HeaderFilterPhase = (*cors)(nil)
)
