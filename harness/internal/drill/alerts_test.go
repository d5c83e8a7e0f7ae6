package drill

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/internal/testenv"
	"github.com/gatelab/gatelab/internal/testenv/gatewaytest"
)

// Real faults of real gateways, PostgreSQL and Redis are seen by a real
// Prometheus and told by a real Alertmanager: each alert fires, ends when the
// fault does, and none fires that is not to.
func TestRealFaultsFireTheirAlerts(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers, and -short asks for tests without: run make test")
	}
	l := newSmallLab(t)
	scale := alerting.Scale{Factor: 300, Scrape: time.Second}
	targets := []alerting.Target{
		{Job: "gateway", Instance: "gateway-1", Addr: l.one.Status}, {Job: "gateway", Instance: "gateway-2", Addr: l.two.Status},
	}
	stack, err := alerting.Start(t.Context(), targets, scale, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	stopLoad := l.load()
	defer stopLoad()
	outcomes, err := alerting.Run(t.Context(), stack, l.cases(stack, targets), func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := alerting.Table(&table, scale, outcomes); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	for _, o := range outcomes {
		if !o.OK() {
			t.Errorf("%s: %v, unexpected %v", o.Alert, o.Err, o.Unexpected)
		}
	}
}

// slowMachine are what a machine that is delayed rightly raises at any time, as
// the rules wait seconds here and not minutes: a scrape that comes too late,
// requests that take long, and a replica's first connections to Postgres. Each is the alert of a case of its own, where nothing
// but its fault is waited for.
var slowMachine = []string{"GatewayReplicaDown", "GatewayLatencyP99High", "LatencyBudgetBurnFast", "LatencyBudgetBurnSlow",
	"PostgresPoolWaiting"}

// smallLab is two gateways, of which the second reaches Postgres through a
// relay, and both reach Redis through another one.
type smallLab struct {
	one, two        *gatewaytest.Process
	postgres, redis *gatewaytest.Relay
	target          *gatewaytest.Relay // before one of the two targets of /pair
	server          *redis.Client
	status          atomic.Int32 // that the origin answers on /ai
	slow            atomic.Int64 // nanoseconds that it takes
	tokens          atomic.Bool  // a model is asked, which tells no usage
}

func newSmallLab(t *testing.T) *smallLab {
	t.Helper()
	l := &smallLab{}
	l.status.Store(200)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Duration(l.slow.Load()))
		w.WriteHeader(int(l.status.Load()))
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(origin.Close)
	direct := origin.Listener.Addr().String()
	l.target = gatewaytest.NewRelay(t, direct)
	address := testenv.Redis(t)
	l.server = redis.NewClient(&redis.Options{Addr: address})
	t.Cleanup(func() { _ = l.server.Close() })
	l.redis = gatewaytest.NewRelay(t, address)
	dsn, port := testenv.Postgres(t), regexp.MustCompile(`port=(\d+)`)
	l.postgres = gatewaytest.NewRelay(t, "127.0.0.1:"+port.FindStringSubmatch(dsn)[1])
	_, relayed, _ := net.SplitHostPort(l.postgres.Addr)
	binary := gatewaytest.Build(t)
	l.one = gatewaytest.Start(t, binary, dsn)
	l.two = gatewaytest.Start(t, binary, port.ReplaceAllString(dsn, "port="+relayed))
	_, redisPort, _ := net.SplitHostPort(l.redis.Addr)
	for _, step := range []struct{ path, body string }{
		{"/services", fmt.Sprintf(`{"name": "ai-api", "url": %q, "retries": 0}`, origin.URL)},
		{"/services/ai-api/routes", `{"name": "ai", "paths": ["/ai"]}`},
		{"/routes/ai/plugins", `{"name": "rate-limiting-advanced", "config": {"limit": [1000000], "window_size": [60], "identifier": "ip",
			"strategy": "redis", "sync_rate": 0,
			"redis": {"host": "127.0.0.1", "port": ` + redisPort + `}}}`},
		{"/services/ai-api/routes", `{"name": "tokens", "paths": ["/tokens"]}`},
		{"/routes/tokens/plugins", `{"name": "ai-rate-limiting", "config": {"limit": [1000000000], "window_size": [60], "identifier": "ip"}}`},
		{"/upstreams", `{"name": "two-of-them"}`},
		{"/upstreams/two-of-them/targets", fmt.Sprintf(`{"target": %q}`, direct)},
		{"/upstreams/two-of-them/targets", fmt.Sprintf(`{"target": %q}`, l.target.Addr)},
		{"/services", `{"name": "pair", "host": "two-of-them"}`},
		{"/services/pair/routes", `{"name": "pair", "paths": ["/pair"]}`},
		{"/upstreams", `{"name": "empty"}`},
		{"/services", `{"name": "broken", "host": "empty", "retries": 0}`}, // a 503, and no target that is unhealthy
		{"/services/broken/routes", `{"name": "broken", "paths": ["/broken"]}`},
	} {
		if err := l.configure(step.path, step.body); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range []*gatewaytest.Process{l.one, l.two} {
		gatewaytest.Eventually(t, func() error { return gatewaytest.OK(http.Get("http://" + g.Proxy + "/pair/1")) })
	}
	return l
}

// failFirst starts the second gateway anew, and its first requests fail.
func (l *smallLab) failFirst(ctx context.Context) error {
	l.two.End()
	if err := l.two.Restart(); err != nil {
		return err
	}
	if err := l.two.Ready(ctx); err != nil {
		return err
	}
	return failAtOnce(ctx, "http://"+l.two.Proxy+"/broken", "", firstFailures)
}

func (l *smallLab) configure(path, body string) error {
	return gatewaytest.OK(http.Post("http://"+l.one.Admin+path, "application/json", strings.NewReader(body)))
}

// load sends 40 requests/s to the first gateway until it is stopped.
func (l *smallLab) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var sending sync.WaitGroup
	sending.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				for _, path := range []string{"/ai/1", "/pair/1"} {
					sending.Go(func() {
						if res, err := http.Get("http://" + l.one.Proxy + path); err == nil {
							res.Body.Close()
						}
					})
				}
				if l.tokens.Load() {
					sending.Go(func() {
						res, err := http.Post("http://"+l.one.Proxy+"/tokens", "application/json", strings.NewReader(`{"model":"m"}`))
						if err == nil {
							res.Body.Close()
						}
					})
				}
			}
		}
	})
	return func() { cancel(); sending.Wait() }
}

func (l *smallLab) cases(stack *alerting.Stack, targets []alerting.Target) []alerting.Case {
	answer := func(status int32) func(context.Context) error {
		return func(context.Context) error { l.status.Store(status); return nil }
	}
	take := func(d time.Duration) func(context.Context) error {
		return func(context.Context) error { l.slow.Store(int64(d)); return nil }
	}
	memory := func(share float64) func(context.Context) error {
		return func(ctx context.Context) error {
			info, err := l.server.InfoMap(ctx, "memory").Result()
			if err != nil {
				return err
			}
			var used float64
			if _, err := fmt.Sscan(info["Memory"]["used_memory"], &used); err != nil {
				return err
			}
			most := "0" // no limit
			if share > 0 {
				most = fmt.Sprintf("%.0f", used/share)
			}
			return l.server.ConfigSet(ctx, "maxmemory", most).Err()
		}
	}
	nothing := func(context.Context) error { return nil }
	ask := func(model bool) func(context.Context) error {
		return func(context.Context) error { l.tokens.Store(model); return nil }
	}
	edges := map[string][2]func(context.Context) error{
		alerting.LoseJob: {
			func(ctx context.Context) error { return stack.Scrape(ctx, nil) },
			func(ctx context.Context) error { return stack.Scrape(ctx, targets) },
		},
		alerting.FirstRequestsFail: {l.failFirst, nothing},
	}
	do := map[string][2]func(context.Context) error{
		"GatewayErrorRateHigh":  {answer(502), answer(200)},
		"OriginRateLimiting":    {answer(429), answer(200)},
		"GatewayLatencyP99High": {take(800 * time.Millisecond), take(0)},
		"GatewayReplicaDown": {func(context.Context) error { l.two.End(); return nil },
			func(context.Context) error { return l.two.Restart() }},
		"LimitStoreFailingOpen":  {l.redis.Cut, l.redis.Restore},
		"LimitRoundTripsFailing": {l.redis.Cut, l.redis.Restore},
		"TokenUsageEstimated":    {ask(true), ask(false)},
		"RedisMemoryHigh":        {memory(0.97), memory(0)},
		// Every second request of /pair goes to the other target instead.
		"UpstreamTargetUnhealthy": {l.target.Cut, l.target.Restore},
		"SnapshotStale": {func(ctx context.Context) error {
			if err := l.postgres.Cut(ctx); err != nil {
				return err
			}
			return l.configure("/services", `{"name": "one-more", "url": "http://127.0.0.1:1"}`)
		}, l.postgres.Restore},
	}
	var out []alerting.Case
	for _, p := range alerting.Plans() {
		steps, has := edges[p.Cause]
		if !has {
			steps, has = do[p.Alert]
		}
		if has {
			out = append(out, alerting.Case{
				Alert: p.Alert, Fault: p.Cause, Beside: append(slices.Clone(p.Beside), slowMachine...),
				Break: steps[0], Restore: steps[1], FireIn: 2 * time.Minute, ResolveIn: 3 * time.Minute,
			})
		}
	}
	return out
}
