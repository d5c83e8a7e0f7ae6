package alerting

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/webguard/guardtest"
)

// fakeGateway is a gateway's /metrics whose disruptions can be switched on and off.
type fakeGateway struct {
	*httptest.Server
	down, uncounted, crowded, rejected atomic.Bool
	passed, refused                    atomic.Int64
}

func newFakeGateway(t *testing.T) *fakeGateway {
	t.Helper()
	s := &fakeGateway{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		if s.uncounted.Load() {
			s.passed.Add(10)
		}
		if s.rejected.Load() {
			s.refused.Add(1)
		}
		inUse := 2
		if s.crowded.Load() {
			inUse = 19
		}
		fmt.Fprintf(w, "gateway_ratelimit_decisions_total{plugin=\"rate-limiting\",outcome=\"failed_open\"} %d\n", s.passed.Load())
		fmt.Fprintf(w, "gateway_config_apply_errors_total %d\n", s.refused.Load())
		fmt.Fprintf(w, "gateway_postgres_connections{state=\"in_use\"} %d\ngateway_postgres_connections{state=\"max\"} 20\n", inUse)
	}))
	t.Cleanup(s.Close)
	return s
}

func flip(all ...*atomic.Bool) func(bool) func(context.Context) error {
	return func(on bool) func(context.Context) error {
		return func(context.Context) error {
			for _, b := range all {
				b.Store(on)
			}
			return nil
		}
	}
}

// casesOf are cases whose third and last must fail.
func casesOf(target *fakeGateway) []Case {
	down, uncounted := flip(&target.down), flip(&target.uncounted)
	two, crowded := flip(&target.crowded, &target.rejected), flip(&target.crowded)
	nothing := func(context.Context) error { return nil }
	const most = 2 * time.Minute
	// With a wait of one second, two scrapes that are late on a busy machine are an absent replica, which only the first case is about.
	late := []string{"GatewayReplicaDown"}
	return []Case{
		{Alert: "GatewayReplicaDown", Fault: "no scrape", Break: down(true), Restore: down(false), FireIn: most, ResolveIn: most},
		{
			Alert: "LimitStoreFailingOpen", Fault: "uncounted requests",
			Break: uncounted(true), Restore: uncounted(false), Beside: late, FireIn: most, ResolveIn: most,
		},
		{
			Alert: "PostgresConnectionsHigh", Fault: "19 of 20, and a rejected configuration",
			Break: two(true), Restore: two(false), Beside: late, FireIn: most, ResolveIn: most,
		},
		{
			Alert: "PostgresConnectionsHigh", Fault: "19 of 20",
			Break: crowded(true), Restore: crowded(false), Beside: append(late, "PostgresPoolWaiting"), FireIn: most, ResolveIn: most,
		},
		{
			Alert: "PostgresConnectionsHigh", Also: []string{"ConfigurationRejected"}, Fault: "both",
			Break: two(true), Restore: two(false), Beside: late, FireIn: most, ResolveIn: most,
		},
		{
			Alert: "SnapshotStale", Fault: "nothing at all", Break: nothing, Restore: nothing, Beside: late,
			FireIn: 3 * time.Second, ResolveIn: most,
		},
	}
}

// A real Prometheus and a real Alertmanager detect the disruptions of a small target.
func TestAlertsFireAndResolve(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Prometheus and Alertmanager, and -short asks for tests without servers: run make test")
	}
	target := newFakeGateway(t)
	scale := Scale{Factor: 300, Scrape: time.Second}
	targets := []Target{{Job: "gateway", Instance: "gateway-1", Addr: strings.TrimPrefix(target.URL, "http://")}}
	s, err := Start(t.Context(), targets, scale, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		dir := s.dir
		s.Close()
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s was left behind: %v", dir, err)
		}
		for _, c := range s.processes {
			if c.cmd.ProcessState == nil {
				t.Errorf("%s still runs", c.name)
			}
		}
	}()
	outcomes, err := Run(t.Context(), s, casesOf(target), func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := Table(&table, scale, outcomes); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	for i, want := range []bool{true, true, false, true, true, true, false} {
		if outcomes[i].OK() != want {
			t.Errorf("case %d (%s, %s): ok %v, want %v: %v", i, outcomes[i].Alert, outcomes[i].Fault, outcomes[i].OK(), want, outcomes[i].Err)
		}
	}
	for _, o := range outcomes[:6] {
		if o.ToFire <= 0 || o.ToResolve <= 0 {
			t.Errorf("%s: times %s, %s", o.Alert, o.ToFire, o.ToResolve)
		}
	}
	if !slices.Equal(outcomes[2].Unexpected, []string{"ConfigurationRejected"}) {
		t.Errorf("unexpected %v, want the rejected configuration", outcomes[2].Unexpected)
	}
	if e := outcomes[6].Err; e == nil || !strings.Contains(e.Error(), "did not fire") {
		t.Errorf("error %v: want that it did not fire", e)
	}
	if !strings.Contains(table.String(), "divided by 300") {
		t.Error("the table does not say by what the rules were shortened")
	}
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), nil, Scale{Factor: 1, Scrape: time.Second}, nil)
	if err == nil || !strings.Contains(err.Error(), "alertmanager is not installed: run make deps") {
		t.Errorf("error %v", err)
	}
}

func TestReceiverRefusesWhatIsNoWebhook(t *testing.T) {
	r, err := Listen("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	res, err := http.Post(r.URL(), "application/json", strings.NewReader("{"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || len(r.Since(time.Time{})) != 0 {
		t.Errorf("status %d, %d notifications", res.StatusCode, len(r.Since(time.Time{})))
	}
}

func TestReceiverRefusesWebPages(t *testing.T) {
	r, err := Listen("127.0.0.1:0", nil, "receiver")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	guardtest.Refuses(t, "POST", r.URL())
	if got := guardtest.Status(t, "POST", r.URL(), "receiver:9465"); got == http.StatusForbidden {
		t.Errorf("under the name that Alertmanager has for it: %d", got)
	}
}
