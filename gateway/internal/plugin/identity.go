package plugin

import "github.com/valyala/fasthttp"

// Identify says that the request is of the consumer who has shown that credential,
// and tells the upstream, in Kong's header fields. identifier is what the upstream
// is to know the credential by; never a secret.
func (x *Exchange) Identify(c Credential, identifier string) {
	x.Consumer, x.CredentialID = c.Consumer, c.ID
	x.Authenticated = true
	x.announce(identifier, "")
}

// IdentifyAnonymous says that the client has shown no credential, and that the
// request goes on as the consumer whom the plugin is configured with for that, by id or
// username. false: there is no such consumer.
func (x *Exchange) IdentifyAnonymous(consumer string) bool {
	c, ok := x.Directory.Consumer(consumer)
	if !ok {
		return false
	}
	x.Consumer, x.CredentialID = c, ""
	x.Authenticated = false
	x.announce("", "true")
	return true
}

// announce tells the upstream which consumer it is. What the client says of itself
// in these fields is overwritten.
func (x *Exchange) announce(identifier, anonymous string) {
	h := &x.Ctx.Request.Header
	setOrDelete(h, "X-Consumer-Id", x.Consumer.ID)
	setOrDelete(h, "X-Consumer-Username", x.Consumer.Username)
	setOrDelete(h, "X-Consumer-Custom-Id", x.Consumer.CustomID)
	setOrDelete(h, "X-Credential-Identifier", identifier)
	setOrDelete(h, "X-Anonymous-Consumer", anonymous)
}

// setOrDelete leaves one field of the name, or none. Set alone would replace
// the first, and leave what else the client has sent under that name.
func setOrDelete(h *fasthttp.RequestHeader, name, value string) {
	h.Del(name)
	if value != "" {
		h.Set(name, value)
	}
}
