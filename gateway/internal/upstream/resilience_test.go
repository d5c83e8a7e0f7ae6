package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// origin answers what it is told to, and counts.
type origin struct {
	*httptest.Server
	status  atomic.Int64
	asked   atomic.Int64 // but for probes
	probed  atomic.Int64
	retryIn atomic.Bool // answer with Retry-After
	delay   atomic.Int64
}

func newOrigin(t *testing.T, status int64) *origin {
	t.Helper()
	o := &origin{}
	o.status.Store(status)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "gatelab/health") {
			o.probed.Add(1)
		} else {
			o.asked.Add(1)
		}
		time.Sleep(time.Duration(o.delay.Load()))
		if o.retryIn.Load() {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(int(o.status.Load()))
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *origin) address() string { return strings.TrimPrefix(o.URL, "http://") }

func newPools(t *testing.T, c Config) *Pools {
	t.Helper()
	c.Keepalive = 8
	p := NewPools(c, nil)
	t.Cleanup(p.Close)
	return p
}

// over makes a balancer over addresses, in force.
func over(t *testing.T, p *Pools, u entity.Upstream, addresses ...string) *Balancer {
	t.Helper()
	var targets []entity.Target
	for _, a := range addresses {
		targets = append(targets, entity.Target{Target: a, Weight: 100})
	}
	b := balanceOver(t, p, u, targets...)
	p.Keep([]*Balancer{b})
	return b
}

// ask sends one request and answers its status; 0 and an error without one.
func ask(p *Pools, b *Balancer, method string, retries int) (int, error) {
	c := newCall(b)
	c.Request.Header.SetMethod(method)
	c.Retries = retries
	if err := p.Do(c); err != nil {
		return 0, err
	}
	return c.Response.StatusCode(), nil
}

// eventually waits for what another goroutine must bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func TestAnswersThatAreWorthAnotherAttempt(t *testing.T) {
	for _, c := range []struct {
		name, method string
		status       int64
		retryAfter   bool
		config       Config
		asked        int64
	}{
		{name: "a GET that got 503", method: "GET", status: 503, config: Config{RetryStatuses: []int{503}, RetryMin: 100}, asked: 4},
		{name: "a POST that got 503", method: "POST", status: 503, config: Config{RetryStatuses: []int{503}, RetryMin: 100}, asked: 1},
		{name: "a 503 that says when to come back", method: "GET", status: 503, retryAfter: true,
			config: Config{RetryStatuses: []int{503}, RetryMin: 100}, asked: 1},
		{name: "a status that is not named", method: "GET", status: 500, config: Config{RetryStatuses: []int{503}, RetryMin: 100},
			asked: 1},
		{name: "429, even where it is named", method: "GET", status: 429, config: Config{RetryStatuses: []int{429}, RetryMin: 100},
			asked: 1},
		{name: "retries switched off", method: "GET", status: 503, config: Config{RetryMin: 100}, asked: 1},
		{name: "a budget of one retry for each request", method: "GET", status: 503,
			config: Config{RetryStatuses: []int{503}, RetryBudget: 100}, asked: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t, c.status)
			o.retryIn.Store(c.retryAfter)
			p := newPools(t, c.config)
			b := serviceAt(t, p, o.URL)
			if status, err := ask(p, b, c.method, 3); err != nil || int64(status) != c.status {
				t.Errorf("got %d %v, want the origin's own %d", status, err, c.status)
			}
			if n := o.asked.Load(); n != c.asked {
				t.Errorf("the origin was asked %d times, want %d", n, c.asked)
			}
		})
	}
}

func TestAnErrorIsTriedElsewhere(t *testing.T) {
	good, bad := newOrigin(t, 200), newOrigin(t, 502)
	p := newPools(t, Config{RetryStatuses: []int{502}, RetryBudget: 100, RetryMin: 100})
	b := over(t, p, entity.Upstream{}, good.address(), bad.address())
	for i := range 20 {
		if status, err := ask(p, b, "GET", 1); status != 200 {
			t.Fatalf("request %d: %d %v", i, status, err)
		}
	}
	if bad.asked.Load() == 0 {
		t.Error("the failing target was never asked: nothing was tested")
	}
	if n := testutil.ToFloat64(p.metrics.retries[whyStatus]); n != float64(bad.asked.Load()) {
		t.Errorf("%v retries are counted for %d errors", n, bad.asked.Load())
	}
}

func TestAThirdOfErrorsCostsNoIdempotentRequest(t *testing.T) {
	var asked atomic.Int64
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%10 < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer o.Close()
	p := newPools(t, Config{RetryStatuses: []int{500}, RetryBudget: 100, RetryMin: 100})
	b := serviceAt(t, p, o.URL)
	for i := range 300 {
		if status, err := ask(p, b, "GET", 5); status != 200 {
			t.Fatalf("request %d: %d %v", i, status, err)
		}
	}
}

func TestRetriesDoNotMakeAnOverloadWorse(t *testing.T) {
	o := newOrigin(t, 503)
	p := newPools(t, Config{RetryStatuses: []int{503}, RetryBudget: 20})
	b := serviceAt(t, p, o.URL)
	const requests = 500
	for range requests {
		if status, err := ask(p, b, "GET", 5); status != 503 {
			t.Fatalf("%d %v", status, err)
		}
	}
	if n := o.asked.Load(); n <= requests || n > requests*12/10 {
		t.Errorf("%d requests became %d, want some more but not beyond 20%%", requests, n)
	}
	if testutil.ToFloat64(p.metrics.exhausted) == 0 {
		t.Error("a spent budget is not counted")
	}
}

func TestTheBudgetBoundsRetries(t *testing.T) {
	b, now := &budget{percent: 20, perSecond: 3}, time.Unix(1000, 0)
	spend := func(most int) (n int) {
		for n < most && b.take(now) {
			n++
		}
		return n
	}
	if n := spend(100); n != 3 {
		t.Errorf("without traffic %d retries, want the 3 of each second", n)
	}
	now = now.Add(time.Second)
	for range 100 {
		b.request(now)
	}
	if n := spend(100); n != 17 {
		t.Errorf("of 100 requests %d retries, want 20%% less the 3 of before", n)
	}
	now = now.Add(time.Second)
	if n := spend(100); n != 3 {
		t.Errorf("with a spent budget %d retries, want the 3 of each second", n)
	}
	now = now.Add(budgetWindow * time.Second)
	if n := spend(100); n != 3 {
		t.Errorf("the requests of long ago still count: %d", n)
	}
}

func TestADeadTargetCostsNoRequest(t *testing.T) {
	good := newOrigin(t, 200)
	dead := newOrigin(t, 200)
	dead.Close()
	p := newPools(t, Config{EjectAfter: 3, EjectFor: time.Hour}) // without any budget: nothing was sent
	b := over(t, p, entity.Upstream{}, good.address(), dead.address())
	for i := range 20 {
		if status, err := ask(p, b, "POST", 1); status != 200 {
			t.Fatalf("POST %d: %d %v", i, status, err)
		}
	}
	if n := testutil.ToFloat64(p.metrics.retries[whyConnect]); n != 3 {
		t.Errorf("%v requests had to be sent again, want the 3 until it was ejected", n)
	}
	if s := p.Standings("u"); s[dead.address()].Health != "UNHEALTHY" || s[good.address()].Health != "HEALTHCHECKS_OFF" {
		t.Errorf("standings are %v", s)
	}
}

func TestATargetThatHangsIsEjected(t *testing.T) {
	good := newOrigin(t, 200)
	hanging, connections := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	p := newPools(t, Config{EjectAfter: 2, EjectFor: time.Hour})
	b := over(t, p, entity.Upstream{}, good.address(), strings.TrimPrefix(hanging, "http://"))
	timeouts := 0
	// Only the two that hang are waited for; a good target must not take that long
	// on a busy machine.
	for range 20 {
		c := newCall(b)
		c.Read, c.Write = time.Second, time.Second
		if err := p.Do(c); isTimeout(err) {
			timeouts++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if timeouts != 2 || connections.Load() != 2 {
		t.Errorf("%d time-outs on %d connections, want the 2 that it took", timeouts, connections.Load())
	}
}

func passive(change func(*entity.PassiveCheck)) entity.Upstream {
	var u entity.Upstream
	u.Healthchecks.Passive.Healthy.HTTPStatuses = []int{200}
	u.Healthchecks.Passive.Unhealthy.HTTPStatuses = []int{500}
	change(&u.Healthchecks.Passive)
	return u
}

func TestPassiveChecksAreKongs(t *testing.T) {
	good, bad := newOrigin(t, 200), newOrigin(t, 500)
	p := newPools(t, Config{EjectFor: time.Hour}) // none comes back while the test does not say so
	b := over(t, p, passive(func(c *entity.PassiveCheck) { c.Unhealthy.HTTPFailures = 2 }), good.address(), bad.address())
	for range 10 {
		if _, err := ask(p, b, "GET", 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := bad.asked.Load(); n != 2 {
		t.Errorf("the failing target was asked %d times, want the 2 of http_failures", n)
	}
	good.status.Store(500)
	for range 2 {
		_, _ = ask(p, b, "GET", 0)
	}
	asked := good.asked.Load() + bad.asked.Load()
	if _, err := ask(p, b, "GET", 3); !errors.Is(err, ErrNoTarget) {
		t.Errorf("with all targets unhealthy: %v, want Kong's 503", err)
	}
	if n := good.asked.Load() + bad.asked.Load(); n != asked {
		t.Errorf("unhealthy targets were asked %d times more", n-asked)
	}
	good.status.Store(200)
	bad.status.Store(200)
	// Half-open: traffic itself finds out that they are back.
	for _, m := range b.ring.Load().members {
		now := time.Now()
		if until := time.Unix(0, m.target.until.Load()); until.Before(now) || until.After(now.Add(time.Hour)) {
			t.Errorf("ejected until %v, want within the hour of the setting", until)
		}
		m.target.until.Store(now.UnixNano()) // the hour is over
	}
	eventually(t, "both targets are back", func() bool {
		_, _ = ask(p, b, "GET", 0)
		s := p.Standings("u")
		return s[good.address()].Health == "HEALTHY" && s[bad.address()].Health == "HEALTHY"
	})
}

func TestCountsOfZeroAreOff(t *testing.T) {
	bad := newOrigin(t, 500)
	p := newPools(t, Config{})
	b := over(t, p, passive(func(c *entity.PassiveCheck) { c.Unhealthy.TCPFailures = 1 }), bad.address())
	for i := range 20 {
		if status, err := ask(p, b, "GET", 0); status != 500 {
			t.Fatalf("request %d: %d %v; http_failures 0 must count no answer", i, status, err)
		}
	}
	bad.Close()
	_, _ = ask(p, b, "GET", 0)
	if _, err := ask(p, b, "GET", 0); !errors.Is(err, ErrNoTarget) {
		t.Errorf("after a tcp failure: %v", err)
	}
}

func TestTheThresholdIsOfTheWeight(t *testing.T) {
	a, b := newOrigin(t, 200), newOrigin(t, 200)
	p := newPools(t, Config{})
	u := passive(func(c *entity.PassiveCheck) { c.Unhealthy.TCPFailures = 1 })
	u.Healthchecks.Threshold = 60
	bal := over(t, p, u, a.address(), b.address())
	p.SetHealth("u", a.address(), false)
	if _, err := ask(p, bal, "GET", 0); !errors.Is(err, ErrNoTarget) {
		t.Errorf("with half of the weight and a threshold of 60%%: %v", err)
	}
	p.SetHealth("u", a.address(), true)
	if status, err := ask(p, bal, "GET", 0); status != 200 {
		t.Errorf("with all of it: %d %v", status, err)
	}
}

func TestProbesTakeTargetsOutAndBack(t *testing.T) {
	good, sick := newOrigin(t, 200), newOrigin(t, 503)
	p := newPools(t, Config{EjectFor: time.Millisecond})
	var u entity.Upstream
	u.Healthchecks.Active = entity.ActiveCheck{
		Type: "http", HTTPPath: "/health", Timeout: 10, Concurrency: 1,
		Healthy:   entity.HealthySigns{Interval: 0.01, HTTPStatuses: []int{200}, Successes: 2},
		Unhealthy: entity.UnhealthySigns{Interval: 0.01, HTTPStatuses: []int{503}, HTTPFailures: 2, TCPFailures: 1},
	}
	b := over(t, p, u, good.address(), sick.address())
	is := func(health string) func() bool {
		return func() bool { return p.Standings("u")[sick.address()].Health == health }
	}
	eventually(t, "the sick target is out", is("UNHEALTHY"))
	for range 10 {
		if _, err := ask(p, b, "GET", 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := sick.asked.Load(); n != 0 {
		t.Errorf("a target that probes watch got %d requests while it was unhealthy", n)
	}
	sick.status.Store(200)
	eventually(t, "it is back", is("HEALTHY"))
	sick.Close()
	eventually(t, "it is out again, as no server listens", is("UNHEALTHY"))
	p.Keep(nil) // a configuration without it
	probed := good.probed.Load()
	time.Sleep(50 * time.Millisecond)
	if n := good.probed.Load() - probed; n > 1 { // one may have been under way
		t.Errorf("%d probes of a target that no configuration names", n)
	}
}

func TestWhoIsTakenOutByHandStaysOut(t *testing.T) {
	a, b := newOrigin(t, 200), newOrigin(t, 200)
	p := newPools(t, Config{EjectAfter: 3, EjectFor: time.Millisecond})
	bal := over(t, p, entity.Upstream{}, a.address(), b.address())
	p.SetHealth("u", a.address(), false)
	time.Sleep(5 * time.Millisecond)
	for range 10 {
		if status, err := ask(p, bal, "GET", 0); status != 200 {
			t.Fatalf("%d %v", status, err)
		}
	}
	if n := a.asked.Load(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
	p.SetHealth("u", a.address(), true)
	for range 4 {
		_, _ = ask(p, bal, "GET", 0)
	}
	if n := a.asked.Load(); n != 2 {
		t.Errorf("back again, it got %d of 4 requests", n)
	}
}

func TestLatencyGoesToTheFastest(t *testing.T) {
	fast, slow := newOrigin(t, 200), newOrigin(t, 200)
	slow.delay.Store(int64(300 * time.Millisecond)) // longer than a busy machine holds up the fast one
	p := newPools(t, Config{})
	b := over(t, p, entity.Upstream{Algorithm: "latency"}, fast.address(), slow.address())
	for range 40 {
		if _, err := ask(p, b, "GET", 0); err != nil {
			t.Fatal(err)
		}
	}
	if s := slow.asked.Load(); s == 0 || s > 5 {
		t.Errorf("the slow target got %d of 40 requests", s)
	}
}

// quiet counts the idle connections that could be used.
func (p *pool) quiet() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.idle {
		if k.look() == quiet {
			n++
		}
	}
	return n
}

func TestAKeptConnectionThatThePeerClosedIsReplaced(t *testing.T) {
	// Each connection serves one request and is closed after an answer that
	// promised to keep it.
	url, connections := listen(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	p := newPools(t, Config{}) // without retries and budget
	b := serviceAt(t, p, url)
	for i, method := range []string{"GET", "POST", "GET", "POST", "PUT"} {
		if i > 0 {
			eventually(t, "the peer's close arrives", func() bool { return b.ring.Load().members[0].target.pool.quiet() == 0 })
		}
		if status, err := ask(p, b, method, 0); status != fasthttp.StatusOK {
			t.Errorf("%s on a connection that was closed: %d %v", method, status, err)
		}
	}
	if n := connections.Load(); n != 5 {
		t.Errorf("%d connections for 5 requests", n)
	}
}

func TestEveryTargetsStandingIsTold(t *testing.T) {
	p := newPools(t, Config{})
	b := over(t, p, entity.Upstream{}, "127.0.0.1:1", "127.0.0.1:2")
	_ = serviceAt(t, p, "http://127.0.0.1:3") // no upstream's
	p.SetHealth("u", "127.0.0.1:2", false)
	got := map[string]string{}
	for _, s := range p.TargetStandings() {
		if s.UpstreamID != "u" {
			t.Errorf("upstream %q", s.UpstreamID)
		}
		got[s.Target] = s.Health
	}
	if len(got) != b.Size() || got["127.0.0.1:1"] != "HEALTHCHECKS_OFF" || got["127.0.0.1:2"] != "UNHEALTHY" {
		t.Errorf("got %v", got)
	}
}
