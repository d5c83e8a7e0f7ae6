package keyauth

import (
	"errors"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is key-auth's configuration as it is stored.
type config struct {
	KeyNames        []string `json:"key_names"`
	HideCredentials bool     `json:"hide_credentials"`
	Anonymous       string   `json:"anonymous"`
	KeyInHeader     bool     `json:"key_in_header"`
	KeyInQuery      bool     `json:"key_in_query"`
	KeyInBody       bool     `json:"key_in_body"`
	RunOnPreflight  bool     `json:"run_on_preflight"`
}

// keyAuth knows a consumer by a key in a header, the query or the body.
type keyAuth struct{ config }

// The messages are Kong's.
var (
	noKeyBody    = []byte(`{"message":"No API key found in request"}`)
	wrongKeyBody = []byte(`{"message":"Unauthorized"}`)
	manyKeysBody = []byte(`{"message":"Duplicate API key found"}`)
)

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	var k keyAuth
	if err := plugin.DecodeConfig(c, &k.config); err != nil {
		return nil, err
	}
	if len(k.KeyNames) == 0 {
		return nil, errors.New("config.key_names is empty")
	}
	return &k, nil
}

// Access lets known consumers pass, and the anonymous one where there is one.
func (k *keyAuth) Access(x *plugin.Exchange) (answered bool) {
	if !k.RunOnPreflight && x.Ctx.IsOptions() {
		return false
	}
	if k.Anonymous != "" && x.Authenticated {
		return false // as in Kong: one credential of several kinds is enough then
	}
	s := search{config: &k.config, x: x}
	key := s.find()
	if s.err != nil {
		plugin.AnswerBodyError(&x.Ctx.Response, s.err)
		return true
	}
	refusal := noKeyBody
	if key.is == repeated {
		refusal = manyKeysBody
	}
	if key.is == once && len(key.value) > 0 {
		c, known := x.Directory.Key(key.value)
		if k.HideCredentials {
			if s.hide(); s.err != nil {
				plugin.AnswerBodyError(&x.Ctx.Response, s.err)
				return true
			}
		}
		if known {
			x.Identify(c, c.ID)
			return false
		}
		refusal = wrongKeyBody
	}
	if k.Anonymous != "" && x.IdentifyAnonymous(k.Anonymous) {
		return false
	}
	r := &x.Ctx.Response
	r.Header.Set(fasthttp.HeaderWWWAuthenticate, `Key realm="kong"`)
	plugin.Answer(r, fasthttp.StatusUnauthorized, refusal)
	return true
}

// ReadsRequestBody tells that the key may be in the body.
func (k *keyAuth) ReadsRequestBody() bool { return k.KeyInBody }

// CredentialNames is plugin.CredentialReader's.
func (k *keyAuth) CredentialNames() []string { return k.KeyNames }

// Authenticates marks the plugin as one that identifies the client.
func (k *keyAuth) Authenticates() {}

var (
	_ plugin.AccessPhase       = (*keyAuth)(nil)
	_ plugin.RequestBodyReader = (*keyAuth)(nil)
	_ plugin.Authenticator     = (*keyAuth)(nil)
	_ plugin.CredentialReader  = (*keyAuth)(nil)
)
