package proxycache

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// cluster are replicas in front of one origin, with a client of many connections.
type cluster struct {
	replicas []*plugintest.Gateway
	client   *http.Client
}

func startCluster(tb testing.TB, n int, origin http.Handler, config entity.Record) *cluster {
	tb.Helper()
	if redis, ok := config["redis"].(entity.Record); ok {
		redis["timeout"] = 10_000 // a busy machine is no dead Redis
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1000}
	c := &cluster{client: &http.Client{Transport: transport, Timeout: time.Minute}}
	for range n {
		c.replicas = append(c.replicas, plugintest.Start(tb, 0, origin, []plugin.Definition{Definition()},
			entity.Record{"name": "proxy-cache", "config": config}))
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return c
}

// reply is what one request of many has got.
type reply struct {
	status int
	body   string
	header http.Header
	err    error
}

func (c *cluster) get(ctx context.Context, replica int, target string) (a reply) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.replicas[replica].URL+target, http.NoBody)
	if err != nil {
		return reply{err: err}
	}
	res, err := c.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, string(body), res.Header, err}
}

// ask sends n requests at a time, by turns to all replicas but the first without ones.
func (c *cluster) ask(tb testing.TB, n, without int, target string) func() []reply {
	answers := make([]reply, n)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = c.get(tb.Context(), without+i%(len(c.replicas)-without), target) })
	}
	return func() []reply { wg.Wait(); return answers }
}

// value sums the series of a metric whose label, where one is named, has that value.
func (c *cluster) value(tb testing.TB, name, label, value string) (sum float64) {
	tb.Helper()
	for _, g := range c.replicas {
		families, err := g.Metrics.Gather()
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != name {
				continue
			}
			for _, m := range f.GetMetric() {
				if label == "" || has(m, label, value) {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	return sum
}

func has(m *dto.Metric, label, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == label && l.GetValue() == value {
			return true
		}
	}
	return false
}

func waitFor(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("never came: %s", what)
		}
	}
}

func newTarget(name string) string { return fmt.Sprintf("/%s-%x", name, rand.Uint64()) }

// gate is an origin that counts, and holds requests back until it is opened.
type gate struct {
	asked, inside, most atomic.Int64
	open                chan struct{}
	control             string
}

func newGate(control string) *gate { return &gate{open: make(chan struct{}), control: control} }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := g.asked.Add(1)
	inside := g.inside.Add(1)
	defer g.inside.Add(-1)
	for most := g.most.Load(); inside > most && !g.most.CompareAndSwap(most, inside); most = g.most.Load() {
	}
	select {
	case <-g.open:
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Cache-Control", g.control)
	fmt.Fprint(w, "answer ", n)
}

// TestMissesOfAClusterAreOneRequest has a thousand clients miss at the same time.
func TestMissesOfAClusterAreOneRequest(t *testing.T) {
	strategies(t, func(t *testing.T, config entity.Record) {
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprint(n, " replicas"), func(t *testing.T) {
				config["cache_control"] = true
				const clients = 1000
				o := newGate("max-age=600")
				c := startCluster(t, n, o, config)
				wait := c.ask(t, clients, 0, newTarget("misses"))
				// Most of them wait; for a slow machine no longer than the cache would.
				for end := time.Now().Add(2 * time.Second); time.Now().Before(end) &&
					c.value(t, "gateway_cache_waiting_requests", "", "") < clients-float64(n); {
					time.Sleep(2 * time.Millisecond)
				}
				close(o.open)
				collapsed := 0
				for _, a := range wait() {
					if a.err != nil || a.status != http.StatusOK || !strings.HasPrefix(a.body, "answer ") {
						t.Fatalf("%+v", a)
					}
					if strings.Contains(a.header.Get("Cache-Status"), "; collapsed") {
						collapsed++
					}
				}
				want := int64(1)
				if config["strategy"] == "memory" {
					want = int64(n) // each is on its own
				}
				if got := o.asked.Load(); got != want {
					t.Errorf("the origin was asked %d times, want %d", got, want)
				}
				if counted := c.value(t, "gateway_cache_requests_total", "outcome", "coalesced"); collapsed == 0 || int(counted) != collapsed {
					t.Errorf("%d answers say collapsed, %v are counted", collapsed, counted)
				}
			})
		}
	})
}

// redisCluster is a test with three replicas and their Redis.
func redisCluster(t *testing.T, origin http.Handler, run func(t *testing.T, c *cluster)) {
	t.Helper()
	strategies(t, func(t *testing.T, config entity.Record) {
		if config["strategy"] != "redis" {
			t.Skip("replicas have nothing in common")
		}
		config["cache_control"] = true
		run(t, startCluster(t, 3, origin, config))
	})
}

// TestALeaderWhoseClientLeavesIsReplaced has the first client go while others wait in
// all replicas.
func TestALeaderWhoseClientLeavesIsReplaced(t *testing.T) {
	o := newGate("max-age=600")
	redisCluster(t, o, func(t *testing.T, c *cluster) {
		target := newTarget("leaves")
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		gone := make(chan reply, 1)
		go func() { gone <- c.get(ctx, 0, target) }()
		waitFor(t, "the leader", func() bool { return o.asked.Load() == 1 })
		wait := c.ask(t, 30, 0, target)
		waitFor(t, "those who wait", func() bool { return c.value(t, "gateway_cache_waiting_requests", "", "") == 28 })
		leave()
		if a := <-gone; a.err == nil {
			t.Fatal("the client stayed")
		}
		waitFor(t, "another leader", func() bool { return o.asked.Load() == 2 })
		close(o.open)
		for _, a := range wait() {
			if a.err != nil || a.body != "answer 2" {
				t.Errorf("%+v", a)
			}
		}
		if n := o.asked.Load(); n != 2 {
			t.Errorf("the origin was asked %d times", n)
		}
		// Who is first: one that has waited for the replica's lease, or one in the replica itself.
		taken := c.value(t, "gateway_cache_leases_total", "result", "taken")
		if n := taken + c.value(t, "gateway_cache_leases_total", "result", "inherited"); taken < 1 || n != 2 {
			t.Errorf("%v leases were taken and inherited, %v of them taken", n, taken)
		}
	})
}

// TestWhatIsNotCacheableIsNotWaitedFor has the answer that all wait for prove so: they
// go at once and together, and others do not wait at all for a while.
func TestWhatIsNotCacheableIsNotWaitedFor(t *testing.T) {
	o, first := newGate("no-store"), newGate("no-store")
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first.asked.Load() == 0 {
			first.ServeHTTP(w, r)
			return
		}
		o.ServeHTTP(w, r)
	})
	redisCluster(t, origin, func(t *testing.T, c *cluster) {
		const clients = 60
		target := newTarget("no-store")
		lead := c.ask(t, 1, 0, target)
		waitFor(t, "the leader", func() bool { return first.asked.Load() == 1 })
		wait := c.ask(t, clients, 0, target)
		waitFor(t, "those who wait", func() bool {
			return c.value(t, "gateway_cache_waiting_requests", "", "") == clients-2
		})
		close(first.open)
		waitFor(t, "all of them at the origin", func() bool { return o.inside.Load() == clients })
		more := c.ask(t, 3, 0, target) // nor do these wait
		waitFor(t, "those who come later", func() bool { return o.inside.Load() == clients+3 })
		close(o.open)
		for _, a := range append(append(lead(), wait()...), more()...) {
			if a.err != nil || a.status != http.StatusOK {
				t.Errorf("%+v", a)
			}
		}
		if n := c.value(t, "gateway_cache_leases_total", "result", "passed"); n != 2 {
			t.Errorf("%v replicas were told, want 2", n)
		}
	})
}

// TestAnErrorIsNotWaitedForTwice has the leader's answer be an error: each replica asks
// once more, at the same time.
func TestAnErrorIsNotWaitedForTwice(t *testing.T) {
	o := newGate("max-age=600")
	var failed atomic.Bool
	fail := make(chan struct{})
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failed.CompareAndSwap(false, true) {
			<-fail
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		o.ServeHTTP(w, r)
	})
	redisCluster(t, origin, func(t *testing.T, c *cluster) {
		target := newTarget("error")
		lead := c.ask(t, 1, 0, target)
		waitFor(t, "the leader", failed.Load)
		wait := c.ask(t, 20, 1, target)
		waitFor(t, "those who wait", func() bool { return c.value(t, "gateway_cache_waiting_requests", "", "") == 18 })
		close(fail)
		waitFor(t, "both replicas at the origin", func() bool { return o.inside.Load() == 2 })
		close(o.open)
		for _, a := range wait() {
			if a.err != nil || a.status != http.StatusOK {
				t.Errorf("%+v", a)
			}
		}
		if a := lead()[0]; a.status != http.StatusInternalServerError || o.asked.Load() != 2 {
			t.Errorf("the first client got %d, the origin was asked %d times more", a.status, o.asked.Load())
		}
	})
}

// TestRoundTripsOfAMiss counts calls of Redis: a look that takes the lease, and a write
// that gives it back.
func TestRoundTripsOfAMiss(t *testing.T) {
	o := newGate("max-age=600")
	close(o.open)
	redisCluster(t, o, func(t *testing.T, c *cluster) {
		calls := func() float64 { return c.value(t, "gateway_redis_command_seconds", "", "") }
		before := calls()
		target := newTarget("trips")
		a := c.get(t.Context(), 0, target)
		waitFor(t, "the write", func() bool { return calls()-before >= 2 })
		b := c.get(t.Context(), 1, target)
		if a.body != "answer 1" || b.body != a.body {
			t.Fatalf("%+v, then %+v", a, b)
		}
		if again := c.get(t.Context(), 0, target); again.header.Get("X-Cache-Status") != cacheHit {
			t.Errorf("%+v", again)
		}
		if n := calls() - before; n != 3 {
			t.Errorf("a miss and a hit in Redis took %v calls, want 2 and 1", n)
		}
	})
}
