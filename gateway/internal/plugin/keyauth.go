package plugin

import (
	"bytes"
	"fmt"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/entity"
)

// keyAuthConfig is key-auth's configuration as it is stored.
type keyAuthConfig struct {
	KeyNames        []string `json:"key_names"`
	HideCredentials bool     `json:"hide_credentials"`
	Anonymous       string   `json:"anonymous"`
	KeyInHeader     bool     `json:"key_in_header"`
	KeyInQuery      bool     `json:"key_in_query"`
	KeyInBody       bool     `json:"key_in_body"`
	RunOnPreflight  bool     `json:"run_on_preflight"`
}

// keyAuth knows a consumer by a key in a header, the query or a form body.
type keyAuth struct{ keyAuthConfig }

// The messages are Kong's.
var (
	noKeyBody    = []byte(`{"message":"No API key found in request"}`)
	wrongKeyBody = []byte(`{"message":"Unauthorized"}`)
	jsonType     = []byte("application/json; charset=utf-8")
)

func newKeyAuth(p *entity.Plugin, _ *Deps) (Plugin, error) {
	var k keyAuth
	if err := decodeConfig(p, &k.keyAuthConfig); err != nil {
		return nil, err
	}
	if len(k.KeyNames) == 0 {
		return nil, fmt.Errorf("config.key_names is empty")
	}
	return &k, nil
}

// Access lets known consumers pass, and the anonymous one where there is one.
func (k *keyAuth) Access(x *Exchange) (answered bool) {
	if !k.RunOnPreflight && x.Ctx.IsOptions() {
		return false
	}
	key := k.find(x.Ctx)
	if len(key) > 0 {
		if c, ok := x.Directory.key(key); ok {
			if k.HideCredentials {
				k.hide(x.Ctx)
			}
			x.Consumer, x.CredentialID = c.consumer, c.id
			announceConsumer(x, c.consumer, false)
			return false
		}
	}
	if k.Anonymous != "" && x.Consumer == nil {
		if c, ok := x.Directory.Consumer(k.Anonymous); ok {
			x.Consumer = c
			announceConsumer(x, c, true)
			return false
		}
	}
	body := noKeyBody
	if len(key) > 0 {
		body = wrongKeyBody
	}
	r := &x.Ctx.Response
	r.SetStatusCode(fasthttp.StatusUnauthorized)
	r.Header.Set(fasthttp.HeaderWWWAuthenticate, `Key realm="kong"`)
	r.Header.SetContentTypeBytes(jsonType)
	r.SetBodyRaw(body)
	return true
}

// find returns the first key that the request carries.
func (k *keyAuth) find(ctx *fasthttp.RequestCtx) []byte {
	for _, name := range k.KeyNames {
		if k.KeyInHeader {
			if v := ctx.Request.Header.Peek(name); len(v) > 0 {
				return v
			}
		}
		if k.KeyInQuery && bytes.IndexByte(ctx.RequestURI(), '?') >= 0 {
			if v := ctx.QueryArgs().Peek(name); len(v) > 0 {
				return v
			}
		}
		if k.KeyInBody && !ctx.Request.IsBodyStream() {
			if v := ctx.PostArgs().Peek(name); len(v) > 0 {
				return v
			}
		}
	}
	return nil
}

// hide takes the key off what the upstream will see: off every place where the
// plugin may look for it.
func (k *keyAuth) hide(ctx *fasthttp.RequestCtx) {
	for _, name := range k.KeyNames {
		if k.KeyInHeader {
			ctx.Request.Header.Del(name)
		}
		if k.KeyInQuery && bytes.IndexByte(ctx.RequestURI(), '?') >= 0 && ctx.QueryArgs().Has(name) {
			ctx.QueryArgs().Del(name)
			path := append([]byte(nil), ctx.URI().PathOriginal()...)
			if q := ctx.QueryArgs().QueryString(); len(q) > 0 {
				path = append(append(path, '?'), q...)
			}
			ctx.Request.Header.SetRequestURIBytes(path)
		}
		if k.KeyInBody && !ctx.Request.IsBodyStream() && ctx.PostArgs().Has(name) {
			ctx.PostArgs().Del(name)
			ctx.Request.SetBody(ctx.PostArgs().QueryString())
		}
	}
}

// announceConsumer tells the upstream who asks. What the client says of itself
// in these headers is overwritten.
func announceConsumer(x *Exchange, c *entity.Consumer, anonymous bool) {
	h := &x.Ctx.Request.Header
	setOrDelete(h, "X-Consumer-Id", c.ID)
	setOrDelete(h, "X-Consumer-Username", c.Username)
	setOrDelete(h, "X-Consumer-Custom-Id", c.CustomID)
	setOrDelete(h, "X-Credential-Identifier", x.CredentialID)
	if anonymous {
		setOrDelete(h, "X-Anonymous-Consumer", "true")
	} else {
		setOrDelete(h, "X-Anonymous-Consumer", "")
	}
}

// setOrDelete leaves one field of the name, or none. Set alone would replace
// the first, and leave what else the client has sent under that name.
func setOrDelete(h *fasthttp.RequestHeader, name, value string) {
	h.Del(name)
	if value != "" {
		h.Set(name, value)
	}
}
