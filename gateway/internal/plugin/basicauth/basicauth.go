package basicauth

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the configuration as it is stored.
type config struct {
	Anonymous       string `json:"anonymous"`
	HideCredentials bool   `json:"hide_credentials"`
}

// auth knows a consumer by the field Authorization. Proxy-Authorization, where Kong
// looks too, belongs to the client's connection and is gone by now.
type auth struct{ config }

// The messages are Kong's.
var (
	noneBody  = []byte(`{"message":"Unauthorized"}`)
	wrongBody = []byte(`{"message":"Invalid authentication credentials"}`)
)

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	a := &auth{}
	return a, plugin.DecodeConfig(c, &a.config)
}

// Access lets known consumers pass, and the anonymous one where there is one.
func (a *auth) Access(x *plugin.Exchange) (answered bool) {
	if a.Anonymous != "" && x.Authenticated {
		return false // as in Kong: one credential of several kinds is enough then
	}
	h := &x.Ctx.Request.Header
	values := h.PeekAll(fasthttp.HeaderAuthorization)
	credential, ok := check(x.Directory, values)
	refusal := wrongBody
	if len(values) == 0 {
		refusal = noneBody
	}
	switch {
	case ok:
		x.Identify(credential.Credential, credential.username)
	case a.Anonymous != "" && x.IdentifyAnonymous(a.Anonymous):
	default:
		x.Ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, `Basic realm="kong"`)
		plugin.Answer(&x.Ctx.Response, fasthttp.StatusUnauthorized, refusal)
		return true
	}
	if a.HideCredentials {
		plugin.DeleteField(h, fasthttp.HeaderAuthorization)
	}
	return false
}

// shown is a credential and the name that it was shown by.
type shown struct {
	plugin.BasicAuth
	username string
}

// check finds the credential that a request shows. Of several fields it is unknown
// which one the upstream reads, so that they show none.
func check(d *plugin.Directory, values [][]byte) (shown, bool) {
	if len(values) != 1 {
		return shown{}, false
	}
	username, password, ok := parse(values[0])
	if !ok {
		return shown{}, false
	}
	// A name that is not there takes as long as one that is.
	known, ok := d.BasicAuth(username)
	id := ""
	if ok {
		id = known.Consumer.ID
	}
	same := subtle.ConstantTimeCompare([]byte(hash(password, id)), []byte(known.Hash)) == 1
	return shown{known, username}, ok && same
}

// parse reads a field's value: the scheme in any case, and base64 of name, colon
// and password.
func parse(value []byte) (username, password string, ok bool) {
	const scheme = "basic"
	value = bytes.TrimSpace(value)
	if len(value) <= len(scheme) || !bytes.EqualFold(value[:len(scheme)], []byte(scheme)) {
		return "", "", false
	}
	text, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(value[len(scheme):])))
	if err != nil {
		return "", "", false
	}
	username, password, ok = strings.Cut(string(text), ":")
	return username, password, ok && username != ""
}

// Authenticates marks the plugin as one that identifies the client.
func (a *auth) Authenticates() {}

var (
	_ plugin.AccessPhase   = (*auth)(nil)
	_ plugin.Authenticator = (*auth)(nil)
)
