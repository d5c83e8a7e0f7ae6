package proxy

import (
	"bytes"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// affinity is what binds a client to a target, where a balancer hashes.
type affinity struct {
	cookie string // that the client is given
}

// hash is what consistent hashing goes by: the first of hash_on and
// hash_fallback that the request has. It is the same in every replica. A
// request that has neither goes anywhere.
func (a *affinity) hash(h *upstream.Hashing, l *selection) uint64 {
	if h.On.Kind == "" {
		return 0 // the algorithm is another
	}
	for _, k := range [...]upstream.Key{h.On, h.Fallback} {
		if sum, ok := a.hashOf(k, l); ok {
			return sum
		}
	}
	return rand.Uint64() //nolint:gosec // no secret
}

func (a *affinity) hashOf(k upstream.Key, l *selection) (uint64, bool) {
	x := l.x
	h := &x.Ctx.Request.Header
	switch k.Kind {
	case "consumer":
		if x.Consumer != nil {
			return xxhash.Sum64String(x.Consumer.ID), true
		}
	case "ip":
		return xxhash.Sum64String(x.ClientIP), true
	case "path":
		return xxhash.Sum64String(l.match.Path), true
	case "header":
		return sumOf(h.PeekAll(k.Name)...)
	case "query_arg":
		return sumOf(x.Ctx.QueryArgs().PeekMulti(k.Name)...)
	case "uri_capture":
		return sumOf([]byte(l.found.Capture(l.match.Path, k.Name)))
	case "cookie":
		if had := h.Cookie(k.Name); len(had) > 0 {
			return xxhash.Sum64(had), true
		}
		// The client gets one, and comes back to the same target with it.
		a.cookie = uuid.NewString()
		return xxhash.Sum64String(a.cookie), true
	}
	return 0, false
}

// sumOf is the hash of values, false when there is nothing in them.
func sumOf(values ...[]byte) (uint64, bool) {
	if len(values) == 1 {
		return xxhash.Sum64(values[0]), len(values[0]) > 0
	}
	all := bytes.Join(values, comma)
	return xxhash.Sum64(all), len(all) > 0
}

// setCookie gives the client the cookie that its request was without.
func (a *affinity) setCookie(h *upstream.Hashing, answer *fasthttp.ResponseHeader) {
	if a.cookie == "" {
		return
	}
	name := h.On.Name
	if h.On.Kind != "cookie" {
		name = h.Fallback.Name
	}
	c := fasthttp.AcquireCookie()
	defer fasthttp.ReleaseCookie(c)
	c.SetKey(name)
	c.SetValue(a.cookie)
	c.SetPath(h.CookiePath)
	c.SetHTTPOnly(true)
	answer.SetCookie(c)
}
