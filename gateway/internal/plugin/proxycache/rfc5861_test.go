package proxycache

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// slowOrigin answers at once with something stale, and then only when it may.
type slowOrigin struct {
	asked   atomic.Int64
	release chan struct{}
	told    chan http.Header // of the second request
	again   func(w http.ResponseWriter)
}

func newSlowOrigin() *slowOrigin {
	return &slowOrigin{release: make(chan struct{}), told: make(chan http.Header, 16), again: func(w http.ResponseWriter) {
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprint(w, "new")
	}}
}

func (o *slowOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.asked.Add(1) == 1 {
		w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=600")
		w.Header().Set("Age", "20")
		w.Header().Set("Etag", `"a"`)
		fmt.Fprint(w, "old")
		return
	}
	o.told <- r.Header.Clone()
	<-o.release
	o.again(w)
}

// until sends a request until the answer is as wanted.
func until(t *testing.T, g *plugintest.Gateway, target, want string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		res, body := g.Send(t, http.MethodGet, target, "")
		if body == want && res.Header.Get("X-Cache-Status") == cacheHit {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q (%s) instead of %q", body, res.Header.Get("X-Cache-Status"), want)
		}
	}
}

// TestNobodyWaitsForARefresh has an origin that does not answer while clients are
// answered with what is stale: it is asked once, with the condition that revalidates.
func TestNobodyWaitsForARefresh(t *testing.T) {
	strategies(t, func(t *testing.T, config entity.Record) {
		config["cache_control"] = true
		o := newSlowOrigin()
		target := fmt.Sprintf("/swr-%d", time.Now().UnixNano())
		g := plugintest.Start(t, 0, o, []plugin.Definition{Definition()}, entity.Record{"name": "proxy-cache", "config": config})
		g.Send(t, http.MethodGet, target, "")
		for range 5 {
			res, body := g.Send(t, http.MethodGet, target, "", "X-A:1")
			if body != "old" || res.Header.Get("X-Cache-Status") != cacheStale ||
				!strings.HasPrefix(res.Header.Get("Cache-Status"), "gatelab; hit; ttl=-1") {
				t.Errorf("%q %s", body, res.Header)
			}
		}
		told := <-o.told
		if told.Get("If-None-Match") != `"a"` || told.Get("X-A") != "1" || told.Get("X-Forwarded-For") == "" || told.Get("Via") == "" {
			t.Errorf("the origin was sent %s", told)
		}
		close(o.release)
		until(t, g, target, "new")
		if n := o.asked.Load(); n != 2 {
			t.Errorf("the origin was asked %d times", n)
		}
	})
}

// TestAReplicaAloneRefreshes has two replicas with a common Redis.
func TestAReplicaAloneRefreshes(t *testing.T) {
	strategies(t, func(t *testing.T, config entity.Record) {
		if config["strategy"] != "redis" {
			t.Skip("replicas have nothing in common")
		}
		config["cache_control"] = true
		o := newSlowOrigin()
		target := fmt.Sprintf("/swr-%d", time.Now().UnixNano())
		plugins := entity.Record{"name": "proxy-cache", "config": config}
		a := plugintest.Start(t, 0, o, []plugin.Definition{Definition()}, plugins)
		b := plugintest.Start(t, 0, o, []plugin.Definition{Definition()}, plugins)
		a.Send(t, http.MethodGet, target, "")
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) { // until b has it of Redis
			if res, _ := a.Send(t, http.MethodGet, target, ""); res.Header.Get("X-Cache-Status") == cacheStale {
				break
			} else if time.Now().After(deadline) {
				t.Fatal("not stored")
			}
		}
		<-o.told
		for range 5 {
			if _, body := b.Send(t, http.MethodGet, target, ""); body != "old" {
				t.Errorf("b answers %q", body)
			}
		}
		close(o.release)
		until(t, a, target, "new")
		until(t, b, target, "new")
		if n := o.asked.Load(); n != 2 {
			t.Errorf("the origin was asked %d times", n)
		}
	})
}

// TestAFailedRefreshIsTriedAgain has the origin fail once behind a stale answer.
func TestAFailedRefreshIsTriedAgain(t *testing.T) {
	o := newSlowOrigin()
	close(o.release)
	o.again = func(w http.ResponseWriter) {
		if o.asked.Load() == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprint(w, "new")
	}
	g := plugintest.Start(t, 0, o, []plugin.Definition{Definition()},
		entity.Record{"name": "proxy-cache", "config": entity.Record{"cache_control": true}})
	g.Send(t, http.MethodGet, "/", "")
	until(t, g, "/", "new")
	if n := o.asked.Load(); n != 3 {
		t.Errorf("the origin was asked %d times", n)
	}
}

// TestTheOperatorsStaleness is what an origin's answer does not say itself.
func TestTheOperatorsStaleness(t *testing.T) {
	const stale = "Cache-Control: max-age=10\nAge: 20"
	g := conform(t, entity.Record{"cache_control": true, "stale_if_error": 600})
	g.play(t, []step{{answer: stale, asked: true}, {status: 502, asked: true, body: "answer 1"}})
	g.play(t, []step{{answer: stale + "\nCache-Control: must-revalidate", asked: true}, {status: 502, asked: true, want: 502}})
	g.play(t, []step{{answer: stale + "\nCache-Control: stale-if-error=1", asked: true}, {status: 502, asked: true, want: 502}})
	o := newSlowOrigin()
	behind := plugintest.Start(t, 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		if o.asked.Add(1) == 1 {
			w.Header().Set("Age", "601")
		}
		fmt.Fprint(w, o.asked.Load())
	}), []plugin.Definition{Definition()},
		entity.Record{"name": "proxy-cache", "config": entity.Record{"cache_control": true, "stale_while_revalidate": 600}})
	behind.Send(t, http.MethodGet, "/", "")
	if _, body := behind.Send(t, http.MethodGet, "/", ""); body != "1" {
		t.Errorf("%q: the client has waited", body)
	}
	until(t, behind, "/", "2")
}

// TestInvalidationReachesReplicas has one replica change what the other has in memory.
func TestInvalidationReachesReplicas(t *testing.T) {
	strategies(t, func(t *testing.T, config entity.Record) {
		if config["strategy"] != "redis" {
			t.Skip("replicas have nothing in common")
		}
		config["cache_control"] = true
		var version atomic.Int64
		origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				version.Add(1)
				return
			}
			w.Header().Set("Cache-Control", "max-age=600")
			fmt.Fprint(w, "version ", version.Load())
		})
		target := fmt.Sprintf("/changed-%d", time.Now().UnixNano())
		plugins := entity.Record{"name": "proxy-cache", "config": config}
		a := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, plugins)
		b := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, plugins)
		for n := range 3 {
			text := fmt.Sprint("version ", n)
			until(t, a, target, text)
			until(t, b, target, text)
			b.Send(t, http.MethodPost, target, "")
			if _, body := b.Send(t, http.MethodGet, target, ""); body == text {
				t.Errorf("b has %q after it was changed through b", body)
			}
		}
		until(t, a, target, "version 3")
	})
}
