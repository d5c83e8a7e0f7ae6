package sut

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/topology"
	"github.com/gatelab/gatelab/internal/testenv"
)

// adminAPI keeps the requests that it is sent, and gives each entity an id.
type adminAPI struct {
	mu     sync.Mutex
	paths  []string
	bodies []map[string]any
	refuse string // a path that is answered with 400
}

func (a *adminAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body := map[string]any{}
	_ = json.NewDecoder(r.Body).Decode(&body)
	a.paths, a.bodies = append(a.paths, r.Method+" "+r.URL.Path), append(a.bodies, body)
	if r.URL.Path == a.refuse {
		http.Error(w, `{"message": "schema violation"}`, http.StatusBadRequest)
		return
	}
	answer := map[string]any{"id": fmt.Sprintf("id-%d", len(a.paths))}
	for k, v := range body {
		answer[k] = v
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(answer)
}

// someEntities has one of each kind, nested as scenarios nest them.
func someEntities() map[string]any {
	plugin := func(name string) map[string]any { return map[string]any{"name": name} }
	return map[string]any{
		"upstreams": []any{map[string]any{"name": "pair", "targets": []any{map[string]any{"target": "127.0.0.1:9"}}}},
		"services": []any{map[string]any{
			"name": "ai-api", "url": "http://origin:9000", "plugins": []any{plugin("proxy-cache")},
			"routes": []any{map[string]any{"name": "ai", "paths": []any{"/ai"}, "plugins": []any{plugin("rate-limiting-advanced")}}},
		}},
		"consumers": []any{map[string]any{
			"username": "steady-1", "keyauth_credentials": []any{map[string]any{"key": "steady-1"}}, "plugins": []any{plugin("request-termination")},
		}},
		"plugins": []any{plugin("key-auth")},
	}
}

func TestApplyCreatesEntitiesInOrder(t *testing.T) {
	api := &adminAPI{}
	srv := httptest.NewServer(api)
	defer srv.Close()
	if err := Apply(t.Context(), srv.URL, someEntities()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"POST /upstreams", "POST /upstreams/id-1/targets",
		"POST /services", "POST /services/id-3/plugins", "POST /routes", "POST /routes/id-5/plugins",
		"POST /consumers", "POST /consumers/id-7/key-auth", "POST /plugins",
		"POST /plugins",
	}
	if !slices.Equal(api.paths, want) {
		t.Errorf("requests %q,\nwant     %q", api.paths, want)
	}
	if service := api.bodies[2]; service["name"] != "ai-api" || service["routes"] != nil || service["plugins"] != nil {
		t.Errorf("the service is sent as %v", service)
	}
	if of := api.bodies[4]["service"]; fmt.Sprint(of) != "map[id:id-3]" {
		t.Errorf("the route is for %v", of)
	}
	if of := api.bodies[8]["consumer"]; fmt.Sprint(of) != "map[id:id-7]" {
		t.Errorf("the consumer's plugin is for %v", of)
	}
}

func TestApplyNamesWhatWasRefused(t *testing.T) {
	for _, c := range []struct {
		name     string
		refuse   string
		entities map[string]any
		want     string
	}{
		{name: "a plugin of a route", refuse: "/routes/id-5/plugins", entities: someEntities(), want: "configure services: HTTP status 400"},
		{name: "a consumer", refuse: "/consumers", entities: someEntities(), want: "configure consumers: HTTP status 400"},
		{name: "no list", entities: map[string]any{"services": "ai-api"}, want: "entities: services: want a list, got string"},
		{name: "no map", entities: map[string]any{"plugins": []any{"key-auth"}}, want: "entities: plugins[0]: want a map, got string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(&adminAPI{refuse: c.refuse})
			defer srv.Close()
			if err := Apply(t.Context(), srv.URL, c.entities); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// replica is a node whose ports are served by a test.
type replica struct {
	lab.Node
	name          string
	admin, status string
}

func (r *replica) Name() string { return r.name }
func (r *replica) HostAddr(port int) string {
	if port == topology.PortAdmin {
		return r.admin
	}
	return r.status
}

// replicaAt serves the newest revision on its Admin API, and as many scrapes later the snapshot of it.
func replicaAt(t *testing.T, name string, newest int64, late int64) *replica {
	t.Helper()
	var scrapes atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /revisions", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"data": [{"id": %d}, {"id": 1}]}`, newest)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		serves := newest
		if scrapes.Add(1) <= late {
			serves--
		}
		fmt.Fprintf(w, "# TYPE gateway_snapshot_revision gauge\ngateway_snapshot_revision %d\n", serves)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	addr := strings.TrimPrefix(srv.URL, "http://")
	return &replica{name: name, admin: addr, status: addr}
}

func TestAgreeWaitsForTheSlowestReplica(t *testing.T) {
	first, second := replicaAt(t, "gateway-1", 7, 0), replicaAt(t, "gateway-2", 7, 3)
	if err := Agree(t.Context(), []lab.Node{first, second}); err != nil {
		t.Fatal(err)
	}
}

func TestAgreeNamesTheReplicaThatStaysBehind(t *testing.T) {
	first, second := replicaAt(t, "gateway-1", 7, 0), replicaAt(t, "gateway-2", 7, 1<<40)
	stopped := errors.New("interrupted")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, stopped)
	defer cancel()
	err := Agree(ctx, []lab.Node{first, second})
	if err == nil || !strings.Contains(err.Error(), "gateway-2 does not serve revision 7") || !errors.Is(err, stopped) {
		t.Errorf("error %v", err)
	}
}

func TestNewestRevisionOfAnEmptyHistoryIsZero(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data": []}`) }))
	defer srv.Close()
	if n, err := NewestRevision(t.Context(), srv.URL); n != 0 || err != nil {
		t.Errorf("revision %d, error %v", n, err)
	}
}

// Asked every few milliseconds while configuration changes, a replica must not be asked over a new connection each time.
func TestServedRevisionReusesItsConnection(t *testing.T) {
	var opened atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Gateway-Revision", "12")
		fmt.Fprint(w, `{"status": "ready"}`)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	n := &replica{name: "gateway-1", status: strings.TrimPrefix(srv.URL, "http://")}
	for range 5 {
		if got, err := ServedRevision(t.Context(), client, n); got != 12 || err != nil {
			t.Fatalf("revision %d, error %v", got, err)
		}
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections for five questions, want 1", opened.Load())
	}
}

func TestServedRevisionOfAReplicaThatIsNotReady(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer srv.Close()
	n := &replica{name: "gateway-1", status: strings.TrimPrefix(srv.URL, "http://")}
	if _, err := ServedRevision(t.Context(), srv.Client(), n); err == nil || err.Error() != "gateway-1: status 503" {
		t.Errorf("error %v", err)
	}
}

// A lab is emptied, configured, and agrees; what is left of before is seen.
func TestGatelabIsEmptiedAndConfigured(t *testing.T) {
	rt := labtest.New()
	l := lab.New(rt, lab.Options{Layout: rt.Layout(), Progress: func(string) {}})
	defer func() { _ = l.Close(context.Background()) }()
	wanted := topology.Topology{Replicas: 2}
	if err := topology.Apply(t.Context(), l, wanted); err != nil {
		t.Fatal(err)
	}
	g := Gatelab{Lab: l}
	if err := g.Configure(t.Context(), someEntities()); err != nil {
		t.Fatal(err)
	}
	if empty, err := g.Empty(t.Context(), map[string]any{}); empty || err != nil {
		t.Errorf("a service that was not asked for: empty %v, error %v", empty, err)
	}
	if empty, err := g.Empty(t.Context(), someEntities()); !empty || err != nil {
		t.Errorf("nothing but what was asked for: empty %v, error %v", empty, err)
	}
	if err := g.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if replicas := l.Nodes(topology.RoleGateway); len(replicas) != 0 {
		t.Errorf("%d replicas with their caches are still there", len(replicas))
	}
	if err := g.Configure(t.Context(), someEntities()); err == nil || err.Error() != "the lab has no gateway" {
		t.Errorf("error %v", err)
	}
	if err := topology.Apply(t.Context(), l, wanted); err != nil {
		t.Fatal(err)
	}
	if empty, err := g.Empty(t.Context(), map[string]any{}); !empty || err != nil {
		t.Errorf("after a reset: empty %v, error %v", empty, err)
	}
}

func TestSabotageStateLeftOver(t *testing.T) {
	addr := testenv.Redis(t)
	before, err := keysIn(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer rdb.Close()
	const key = "sabotage:left-over"
	if err := rdb.Set(t.Context(), key, 1, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	defer rdb.Del(context.Background(), key)
	after, err := keysIn(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	if after != before+1 {
		t.Fatalf("%d keys after one more than %d", after, before)
	}
	left := false
	checks := measure.Run(measure.Facts{StateReset: &left})
	i := slices.IndexFunc(checks, func(c measure.Check) bool { return c.Name == "state" })
	if i < 0 || checks[i].Verdict != measure.Invalid || checks[i].Remedy == "" {
		t.Errorf("checks %+v: want an invalid state with a remedy", checks)
	}
}
