package plugin

import (
	"errors"
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

// keyAuth knows a consumer by a key in a header, the query or the body.
type keyAuth struct{ keyAuthConfig }

// The messages are Kong's.
var (
	noKeyBody     = []byte(`{"message":"No API key found in request"}`)
	wrongKeyBody  = []byte(`{"message":"Unauthorized"}`)
	manyKeysBody  = []byte(`{"message":"Duplicate API key found"}`)
	badBodyBody   = []byte(`{"message":"Bad request"}`)
	lateBodyBody  = []byte(`{"message":"Request body timeout"}`)
	largeBodyBody = []byte(`{"message":"Request size limit exceeded"}`)
	jsonType      = []byte("application/json; charset=utf-8")
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
	search := keySearch{keyAuthConfig: &k.keyAuthConfig, x: x}
	key := search.find()
	if search.err != nil {
		return refuseBody(&x.Ctx.Response, search.err)
	}
	refusal := noKeyBody
	if key.is == repeated {
		refusal = manyKeysBody
	}
	if key.is == once && len(key.value) > 0 {
		c, known := x.Directory.key(key.value)
		if k.HideCredentials {
			if search.hide(); search.err != nil {
				return refuseBody(&x.Ctx.Response, search.err)
			}
		}
		if known {
			x.Consumer, x.CredentialID = c.consumer, c.id
			announceConsumer(x, c.consumer, false)
			return false
		}
		refusal = wrongKeyBody
	}
	if k.Anonymous != "" && x.Consumer == nil {
		if c, ok := x.Directory.Consumer(k.Anonymous); ok {
			x.Consumer = c
			announceConsumer(x, c, true)
			return false
		}
	}
	r := &x.Ctx.Response
	r.SetStatusCode(fasthttp.StatusUnauthorized)
	r.Header.Set(fasthttp.HeaderWWWAuthenticate, `Key realm="kong"`)
	r.Header.SetContentTypeBytes(jsonType)
	r.SetBodyRaw(refusal)
	return true
}

// refuseBody answers a client whose body did not come as it should.
func refuseBody(r *fasthttp.Response, err error) (answered bool) {
	var (
		timeout interface{ Timeout() bool }
		status  interface{ StatusCode() int }
	)
	code, body := fasthttp.StatusBadRequest, badBodyBody
	switch {
	case errors.As(err, &status) && status.StatusCode() == fasthttp.StatusRequestEntityTooLarge:
		code, body = fasthttp.StatusRequestEntityTooLarge, largeBodyBody
	case errors.As(err, &timeout) && timeout.Timeout():
		code, body = fasthttp.StatusRequestTimeout, lateBodyBody
	}
	r.SetStatusCode(code)
	r.Header.SetContentTypeBytes(jsonType)
	r.SetBodyRaw(body)
	r.SetConnectionClose()
	return true
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

// ReadsBody tells that the key may be in the body.
func (k *keyAuth) ReadsBody() bool { return k.KeyInBody }

// Authenticates marks the plugin as one that asks who the client is.
func (k *keyAuth) Authenticates() {}
