package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// origin answers with a status and a text.
func textOrigin(t *testing.T, status int, text string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s
}

// withTrial is a configuration of one origin, with a trial of another.
func withTrial(stable, other string, rules entity.TrialRules) *entity.Config {
	c := config(stable, entity.Route{Paths: []string{"/"}})
	c.Trial = &entity.Trial{ID: "t1", Name: "x", Rules: rules, Config: config(other, entity.Route{Paths: []string{"/"}})}
	return c
}

// servedBy counts responses by their text.
func servedBy(t *testing.T, g *gateway, n int, header func(i int) []string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for i := range n {
		_, text := get(t, g.url+"/", header(i)...)
		out[text]++
	}
	return out
}

func TestRequestsOfATrial(t *testing.T) {
	stable, other := textOrigin(t, 200, "stable"), textOrigin(t, 200, "trial")
	none := func(int) []string { return nil }
	client := func(i int) []string { return []string{"X-Forwarded-For", fmt.Sprintf("10.0.%d.%d", i/200, i%200)} }
	for _, tt := range []struct {
		name   string
		rules  entity.TrialRules
		header func(i int) []string
		least  int
		most   int
	}{
		{"none of a percentage of 0", entity.TrialRules{}, none, 0, 0},
		{"all", entity.TrialRules{Percent: 100}, none, 400, 400},
		{"a quarter", entity.TrialRules{Percent: 25}, none, 50, 150},
		{"a quarter of the clients", entity.TrialRules{Percent: 25, HashOn: entity.HashOnIP}, client, 50, 150},
		{"one client", entity.TrialRules{Percent: 0.0001, HashOn: entity.HashOnIP}, none, 0, 0},
		{"a header", entity.TrialRules{Header: "x-trial", HeaderValue: "on"}, func(int) []string { return []string{"X-Trial", "on"} }, 400, 400},
		{"another value", entity.TrialRules{Header: "x-trial", HeaderValue: "on"},
			func(int) []string { return []string{"X-Trial", "off"} }, 0, 0},
		{"this replica", entity.TrialRules{Replicas: []string{"gw-0", "gw-1"}}, none, 400, 400},
		{"another replica", entity.TrialRules{Replicas: []string{"gw-0"}}, none, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, Config{NodeName: "gw-1", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, 4)
			g.apply(t, withTrial(stable.URL, other.URL, tt.rules))
			got := servedBy(t, g, 400, tt.header)
			if n := got["trial"]; n < tt.least || n > tt.most || n+got["stable"] != 400 {
				t.Errorf("got %v, want %d to %d", got, tt.least, tt.most)
			}
			if tt.rules.HashOn == entity.HashOnIP {
				if again := servedBy(t, g, 400, tt.header); again["trial"] != got["trial"] {
					t.Errorf("clients changed sides: %v, then %v", got, again)
				}
			}
		})
	}
}

func TestWhatATrialCounts(t *testing.T) {
	stable, other := textOrigin(t, 200, "stable"), textOrigin(t, 500, "trial")
	g := start(t, Config{}, 4)
	g.apply(t, config(stable.URL, entity.Route{Paths: []string{"/"}}))
	servedBy(t, g, 5, func(int) []string { return nil })
	if g.Trial() != nil {
		t.Fatal("there is a trial")
	}
	c := withTrial(stable.URL, other.URL, entity.TrialRules{Header: "x-trial", HeaderValue: "on", MaxP99: 1})
	c.Revision = 2
	g.apply(t, c)
	half := func(i int) []string {
		return []string{"X-Trial", map[bool]string{true: "on", false: "off"}[i%2 == 0]}
	}
	servedBy(t, g, 20, half)
	counted := func(want entity.TrialCounts) {
		t.Helper()
		_, tried := g.Trial().Counts()
		tried.Slow = 0
		for deadline := time.Now().Add(10 * time.Second); tried != want && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			_, tried = g.Trial().Counts() // a request is counted when its response has passed
			tried.Slow = 0
		}
		if tried != want {
			t.Errorf("counted %+v, want %+v", tried, want)
		}
	}
	counted(entity.TrialCounts{Requests: 10, Errors: 10})
	if got, _ := g.Trial().Counts(); got.Requests != 10 || got.Errors != 0 {
		t.Errorf("of the configuration that holds: %+v", got)
	}

	// The same trial over another snapshot goes on counting.
	again := *c
	again.Revision = 3
	g.apply(t, &again)
	servedBy(t, g, 20, half)
	counted(entity.TrialCounts{Requests: 20, Errors: 20})
	if n := testutil.ToFloat64(g.trials.requests.WithLabelValues("trial", "5xx")); n != 20 {
		t.Errorf("%v requests of the trial are exported", n)
	}

	// Stopped, it serves nothing.
	g.Trial().Stop()
	if got := servedBy(t, g, 20, half); got["stable"] != 20 {
		t.Errorf("after it was stopped: %v", got)
	}
	ended := config(stable.URL, entity.Route{Paths: []string{"/"}})
	ended.Revision = 4
	g.apply(t, ended)
	if g.Trial() != nil {
		t.Error("the trial has not ended")
	}
}

// TestNoClientEndsATrial: what a client can have answered with 5xx whatever the configuration is says nothing of a trial.
func TestNoClientEndsATrial(t *testing.T) {
	origin := textOrigin(t, 200, "ok")
	g := start(t, Config{Via: "here"}, 4)
	g.apply(t, withTrial(origin.URL, origin.URL, entity.TrialRules{Percent: 100}))
	const loops = 5
	for range loops {
		if res, _ := get(t, g.url+"/", "Via", "1.1 here"); res.StatusCode != http.StatusLoopDetected {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	await(t, "counted", func() bool {
		_, tried := g.Trial().Counts()
		return tried.Requests == loops
	})
	if _, tried := g.Trial().Counts(); tried.Errors != 0 {
		t.Errorf("%d errors of the trial", tried.Errors)
	}
}

// What cannot be tried is no error of the configuration that holds.
func TestATrialThatCannotBeServed(t *testing.T) {
	stable := textOrigin(t, 200, "stable")
	for name, change := range map[string]func(*entity.Trial){
		"unreadable":          func(t *entity.Trial) { t.Config, t.Problem = nil, "gibberish" },
		"an unknown plugin":   func(t *entity.Trial) { t.Config.Plugins = []entity.Plugin{{ID: "p", Name: "no-such", Enabled: true}} },
		"a service that goes": func(t *entity.Trial) { t.Config.Services = nil },
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, Config{}, 4)
			c := withTrial(stable.URL, stable.URL, entity.TrialRules{Percent: 100})
			change(c.Trial)
			g.apply(t, c)
			if g.Trial().Failed() == nil {
				t.Error("it can be served")
			}
			if got := servedBy(t, g, 5, func(int) []string { return nil }); got["stable"] != 5 {
				t.Errorf("got %v", got)
			}
			if _, tried := g.Trial().Counts(); tried.Requests != 0 {
				t.Errorf("counted %+v", tried)
			}
		})
	}
}
