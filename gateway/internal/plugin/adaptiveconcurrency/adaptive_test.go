package adaptiveconcurrency

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	name + ".min_limit":         ".: p.MinLimit",
	name + ".initial_limit":     ".: p.InitialLimit",
	name + ".max_limit":         ".: p.MaxLimit",
	name + ".latency_tolerance": ".: p.LatencyTolerance",
	name + ".priority":          ".: p.Priority",
	name + ".priority_header":   ".: p.PriorityHeader",
	name + ".high_consumers":    ".: p.HighConsumers",
	name + ".low_consumers":     ".: p.LowConsumers",
	name + ".normal_share":      ".: p.NormalShare",
	name + ".low_share":         ".: p.LowShare",
	name + ".retry_after":       ".: p.RetryAfter",
	name + ".dry_run":           ".: p.DryRun",
	name + ".error_code":        ".: p.ErrorCode",
	name + ".error_message":     ".: p.ErrorMessage",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 95,
		Defaults: map[string]any{
			"min_limit": int64(4), "initial_limit": int64(64), "max_limit": int64(4096), "latency_tolerance": 1.5, "priority": "normal",
			"priority_header": nil, "high_consumers": nil, "low_consumers": nil, "normal_share": int64(90), "low_share": int64(60),
			"retry_after": int64(1), "dry_run": false, "error_code": int64(503),
			"error_message": "The upstream has too many requests in flight",
		},
		Refused: map[string]string{
			`{"min_limit":100}`:                              "config.initial_limit: want min_limit, initial_limit and max_limit in ascending order",
			`{"max_limit":10}`:                               "config.initial_limit: ",
			`{"low_share":95}`:                               "config.low_share: want at most normal_share",
			`{"priority":"urgent"}`:                          "config.priority: ",
			`{"latency_tolerance":1}`:                        "config.latency_tolerance: value should be between 1.1 and 10",
			`{"high_consumers":["a"],"low_consumers":["a"]}`: "config.low_consumers: a consumer is in high_consumers, too",
		},
	}.Check(t, Definition())
}

func start(t *testing.T, origin http.Handler, config entity.Record, more ...entity.Record) *plugintest.Gateway {
	t.Helper()
	anyone := func(c *entity.Config) {
		c.Consumers = append(c.Consumers, entity.Consumer{ID: "c2", Username: "anyone"})
	}
	return plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()}, anyone,
		append(more, entity.Record{"name": name, "config": config})...)
}

// held is an origin that answers when it is told to.
type held struct{ arrived, release, ended chan struct{} }

func newHeld() held {
	return held{arrived: make(chan struct{}, 10), release: make(chan struct{}), ended: make(chan struct{}, 10)}
}

func (h held) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.arrived <- struct{}{}
	select {
	case <-h.release:
	case <-r.Context().Done():
	}
	_, _ = io.WriteString(w, "ok")
}

// fill has n requests wait at the origin, and returns how they end.
func (h held) fill(t *testing.T, g *plugintest.Gateway, n int, header ...string) (end func()) {
	t.Helper()
	for range n {
		go func() {
			g.Send(t, http.MethodGet, "/", "", header...)
			h.ended <- struct{}{}
		}()
	}
	for range n {
		select {
		case <-h.arrived:
		case <-time.After(20 * time.Second):
			t.Fatal("a request did not reach the origin")
		}
	}
	return func() {
		for range n {
			h.release <- struct{}{} // any of those that wait
		}
		for range n {
			<-h.ended
		}
	}
}

// TestTheLeastImportantAreRefusedFirst: with three of four places taken, low and normal ones are refused, and high ones are not.
func TestTheLeastImportantAreRefusedFirst(t *testing.T) {
	h := newHeld()
	g := start(t, h, entity.Record{
		"min_limit": 4, "initial_limit": 4, "max_limit": 4, "priority_header": "X-Priority", "normal_share": 75, "low_share": 50,
		"low_consumers": []any{"alice"}, "retry_after": 7,
	}, entity.Record{"name": "key-auth", "config": entity.Record{"anonymous": "anyone"}})
	end := h.fill(t, g, 2)
	refused := func(header ...string) {
		t.Helper()
		res, body := g.Send(t, http.MethodGet, "/", "", header...)
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "7" ||
			body != `{"message":"The upstream has too many requests in flight"}` {
			t.Errorf("%v: status %d, Retry-After %q, %s", header, res.StatusCode, res.Header.Get("Retry-After"), body)
		}
	}
	refused("X-Priority:low")
	refused("apikey:alices-key", "X-Priority:high") // what a consumer is counts before what it says
	third := h.fill(t, g, 1)
	refused()
	refused("X-Priority:unknown")
	fourth := h.fill(t, g, 1, "X-Priority:high")
	refused("X-Priority:high")
	fourth()
	third()
	end()
	if res, _ := sendFreely(t, h, g); res.StatusCode != http.StatusOK {
		t.Errorf("status %d when all have ended", res.StatusCode)
	}
	for reason, want := range map[string]float64{"high": 1, "normal": 2, "low": 2} {
		if got := counted(t, g, "gateway_concurrency_shed_total", "reason", reason); got != want {
			t.Errorf("%v of priority %s were refused, want %v", got, reason, want)
		}
	}
	if got := counted(t, g, "gateway_adaptive_concurrency_limit", "", ""); got != 4 {
		t.Errorf("limit %v", got)
	}
	if got := counted(t, g, "gateway_adaptive_concurrency_in_flight", "", ""); got != 0 {
		t.Errorf("%v in flight when all have ended", got)
	}
}

// sendFreely sends a request that the origin answers at once.
func sendFreely(t *testing.T, h held, g *plugintest.Gateway) (*http.Response, string) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-h.arrived
		h.release <- struct{}{}
	}()
	res, body := g.Send(t, http.MethodGet, "/", "")
	<-done
	return res, body
}

// counted is the value of a metric with a label.
func counted(t *testing.T, g *plugintest.Gateway, metric, label, value string) (sum float64) {
	t.Helper()
	families, err := g.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if label == "" || l.GetName() == label && l.GetValue() == value {
					sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
					break
				}
			}
		}
	}
	return sum
}

func TestADryRunRefusesNothing(t *testing.T) {
	h := newHeld()
	g := start(t, h, entity.Record{"min_limit": 1, "initial_limit": 1, "max_limit": 1, "dry_run": true})
	h.fill(t, g, 3)()
	if got := counted(t, g, "gateway_concurrency_shed_total", "reason", "dry_run"); got != 2 {
		t.Errorf("%v would be refused, want 2", got)
	}
	if n, err := testutil.GatherAndCount(g.Metrics, "gateway_adaptive_concurrency_baseline_seconds"); err != nil || n != 1 {
		t.Errorf("%d baselines, %v", n, err)
	}
}

// TestGoodputUnderOverload: an upstream that thrashes beyond eight requests at a time, and a hundred clients that wait for a quarter of a
// second. Without the plugin nearly all wait in vain.
func TestGoodputUnderOverload(t *testing.T) {
	if testing.Short() {
		t.Skip("it loads for seconds")
	}
	const enough = 300
	with, took := goodput(t, true, enough, 30*time.Second)
	if with < enough {
		t.Fatalf("%d good answers in %s with the plugin, want %d", with, took, enough)
	}
	without, _ := goodput(t, false, enough, took)
	t.Logf("good answers in %s: %d with, %d without", took, with, without)
	if without*3 > with {
		t.Errorf("good answers in %s: %d with, %d without", took, with, without)
	}
}

// goodput is how many requests are answered in time until there are enough, or the time is over; and how long that took.
func goodput(t *testing.T, limited bool, enough int64, most time.Duration) (good int64, took time.Duration) {
	t.Helper()
	o := &thrashing{base: 10 * time.Millisecond, capacity: 8}
	g := start(t, o, entity.Record{})
	if !limited {
		g = plugintest.Start(t, 0, o, []plugin.Definition{Definition()})
	}
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: 250 * time.Millisecond}
	defer client.CloseIdleConnections()
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range 100 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if ask(ctx, client, g.URL) == http.StatusOK {
					if n.Add(1) >= enough && limited {
						cancel()
					}
					continue
				}
				select {
				case <-ctx.Done():
				case <-time.After(20 * time.Millisecond): // a client that is refused comes again
				}
			}
		})
	}
	wg.Wait()
	return n.Load(), time.Since(began)
}

func ask(ctx context.Context, client *http.Client, url string) (status int) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0
	}
	res, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

// thrashing is an origin that does more than capacity requests at a time worse than one after another. It works on those whose client has
// left, too.
type thrashing struct {
	base     time.Duration
	capacity int64
	inFlight atomic.Int64
}

func (o *thrashing) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	crowd := max(1, float64(o.inFlight.Add(1))/float64(o.capacity))
	defer o.inFlight.Add(-1)
	time.Sleep(min(time.Duration(float64(o.base)*crowd*crowd), 2*time.Second))
	_, _ = io.WriteString(w, "ok")
}
