package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

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

// IdentifySubject notes whose token a request has shown, by what the upstream is told
// of it: the token itself, or what the gateway says of its owner. One consumer, or none,
// may stand for many. It is for tokens that are not in the request's Authorization, or
// are taken off it: there a cache sees them.
func (x *Exchange) IdentifySubject(told ...string) {
	if strings.Join(told, "") == "" {
		return
	}
	hash := sha256.New()
	for _, part := range told {
		_, _ = hash.Write(strconv.AppendQuote(nil, part)) // no two lists are alike
	}
	x.Subject += hex.EncodeToString(hash.Sum(nil))
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

// setOrDelete leaves one field of the name, or none.
func setOrDelete(h *fasthttp.RequestHeader, name, value string) {
	DeleteField(h, name)
	if value != "" {
		h.Set(name, value)
	}
}
