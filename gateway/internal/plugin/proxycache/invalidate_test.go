package proxycache

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// TestInvalidationIsOfTheURI has one consumer change by one route what others have been
// answered with by another, on one replica and on three.
func TestInvalidationIsOfTheURI(t *testing.T) {
	strategies(t, func(t *testing.T, config entity.Record) {
		config["cache_control"] = true
		if redis, ok := config["redis"].(entity.Record); ok {
			redis["timeout"] = 10_000
		}
		var version atomic.Int64
		origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				version.Add(1)
				return
			}
			w.Header().Set("Cache-Control", "public, max-age=600")
			fmt.Fprint(w, "version ", version.Load())
		})
		routes := func(c *entity.Config) {
			c.Routes[0].Methods = []string{"GET"}
			write := new(*c.Routes[0])
			write.ID, write.Methods = "r2", []string{"POST", "DELETE"}
			c.Routes = append(c.Routes, write)
			c.Consumers = append(c.Consumers, entity.Consumer{ID: "c2", Username: "bob"})
			c.KeyAuths = append(c.KeyAuths, entity.KeyAuth{ID: "k2", Key: "bobs-key", Consumer: entity.Ref{ID: "c2"}})
		}
		n := 1
		if config["strategy"] == "redis" {
			n = 3
		}
		var replicas []*plugintest.Gateway
		for range n {
			replicas = append(replicas, plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()}, routes,
				entity.Record{"name": "proxy-cache", "config": config}, entity.Record{"name": "key-auth"}))
		}
		target := newTarget("uri")
		has := func(g *plugintest.Gateway, target, key string) bool {
			res, _ := g.Send(t, http.MethodGet, target, "", "apikey:"+key, "Cache-Control:only-if-cached")
			return res.StatusCode == http.StatusOK
		}
		all := func(want bool, what, target string) {
			t.Helper()
			for _, g := range replicas {
				for _, key := range []string{"alices-key", "bobs-key"} {
					waitFor(t, what, func() bool {
						if want {
							g.Send(t, http.MethodGet, target, "", "apikey:"+key)
						}
						return has(g, target, key) == want
					})
				}
			}
		}
		other := newTarget("other")
		for _, c := range []struct{ method, change, stored string }{
			{http.MethodPost, target, target},
			{http.MethodDelete, target + "?b=2&a=1", target + "?a=1&b=2"},
		} {
			all(true, "stored", c.stored)
			all(true, "the other is stored", other)
			replicas[0].Send(t, c.method, c.change, "", "apikey:alices-key")
			for _, key := range []string{"alices-key", "bobs-key"} {
				if has(replicas[0], c.stored, key) {
					t.Errorf("%s %s: %s is still answered with what it was", c.method, c.change, key)
				}
			}
			all(false, "forgotten", c.stored)
			for _, g := range replicas {
				if !has(g, other, "bobs-key") {
					t.Errorf("%s: another URI is forgotten", c.method)
				}
			}
		}
		replicas[0].Send(t, http.MethodPost, target+"?c=3", "", "apikey:alices-key")
		all(true, "stored", target+"?a=1&b=2") // another query is another URI
	})
}

func TestURIs(t *testing.T) {
	all, some := &cacheKey{}, &cacheKey{query: []string{"a"}}
	folded := &cacheKey{ignoreCase: true}
	changes := func(k *cacheKey, target string, of *cacheKey, stored string) bool {
		at := of.uri("Example.com", []byte(stored))
		for _, u := range k.uris("example.COM", []byte(target)) {
			if u == at {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		by     *cacheKey
		target string
		of     *cacheKey
		stored string
		want   bool
	}{
		{all, "/a", all, "/a", true}, {all, "/a", all, "/b", false}, {all, "/a?x=1", all, "/a?x=1", true},
		{all, "/a?x=1&y=2", all, "/a?y=2&x=1", true}, {all, "/a?x=1", all, "/a?x=2", false}, {all, "/a", all, "/a?x=1", false},
		{all, "/a?b=1", some, "/a?b=2", true}, {some, "/a?b=1", all, "/a?b=1", true}, {some, "/a?a=1", some, "/a?a=2", true},
		{all, "/A", folded, "/a", true}, {folded, "/a", all, "/A", true}, {all, "/a?X=1", all, "/a?x=1", false},
	} {
		if got := changes(c.by, c.target, c.of, c.stored); got != c.want {
			t.Errorf("a change of %s is one of %s: %t, want %t", c.target, c.stored, got, c.want)
		}
	}
}
