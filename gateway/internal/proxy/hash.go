package proxy

import (
	"bytes"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/upstream"
)

// hash is what consistent hashing goes by: the first of hash_on and
// hash_fallback that the request has. It is the same in every replica. A
// request that has neither goes anywhere.
func (v *visit) hash() uint64 {
	h := &v.routed.balancer.Hashing
	if h.On.Kind == "" {
		return 0 // the algorithm is another
	}
	for _, k := range [...]upstream.Key{h.On, h.Fallback} {
		if sum, ok := v.hashOf(k); ok {
			return sum
		}
	}
	return rand.Uint64() //nolint:gosec // no secret
}

func (v *visit) hashOf(k upstream.Key) (uint64, bool) {
	h := &v.Ctx.Request.Header
	switch k.Kind {
	case "consumer":
		if v.Consumer != nil {
			return xxhash.Sum64String(v.Consumer.ID), true
		}
	case "ip":
		return xxhash.Sum64String(v.ClientIP), true
	case "path":
		return xxhash.Sum64String(v.match.Path), true
	case "header":
		return sumOf(h.PeekAll(k.Name)...)
	case "query_arg":
		return sumOf(v.Ctx.QueryArgs().PeekMulti(k.Name)...)
	case "uri_capture":
		return sumOf([]byte(v.found.Capture(v.match.Path, k.Name)))
	case "cookie":
		if had := h.Cookie(k.Name); len(had) > 0 {
			return xxhash.Sum64(had), true
		}
		// The client gets one, and comes back to the same target with it.
		v.hashCookie = uuid.NewString()
		return xxhash.Sum64String(v.hashCookie), true
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

// setHashCookie gives the client the cookie that its request was without.
func (v *visit) setHashCookie() {
	if v.hashCookie == "" {
		return
	}
	h := &v.routed.balancer.Hashing
	name := h.On.Name
	if h.On.Kind != "cookie" {
		name = h.Fallback.Name
	}
	c := fasthttp.AcquireCookie()
	defer fasthttp.ReleaseCookie(c)
	c.SetKey(name)
	c.SetValue(v.hashCookie)
	c.SetPath(h.CookiePath)
	c.SetHTTPOnly(true)
	v.Ctx.Response.Header.SetCookie(c)
}
