package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/internal/webguard/guardtest"
)

// worker starts a worker's API and a client for it.
func worker(t *testing.T, allowed ...string) (*load.Client, *Worker) {
	t.Helper()
	w := NewWorker(allowed)
	s := httptest.NewServer(w.Handler())
	c := load.NewClient(s.URL)
	t.Cleanup(func() { w.Close(); c.Close(); s.Close() })
	return c, w
}

func TestRunOverHTTP(t *testing.T) {
	c, _ := worker(t)
	a := load.Attack{ID: "a b/c", Model: load.Open, Rate: 200, Target: null(t), Warmup: time.Second, Duration: 400 * time.Millisecond,
		SampleEvery: 1,
		Requests:    []load.Request{{Name: "get", Path: "/"}},
		Consumers:   []load.ConsumerGroup{{Name: "steady", Keys: []string{"k"}}}}
	var states []string
	var last load.Progress
	res, err := c.Run(t.Context(), a, func(p load.Progress) {
		if !slices.Contains(states, p.State) {
			states = append(states, p.State)
		}
		last = p
	})
	if err != nil {
		t.Fatal(err)
	}
	sums(t, res)
	// A machine that is delayed at the end has not sent the last ones, and says so.
	if res.Requests+res.Unsent != 80 || res.Requests == 0 || res.Successes != res.Requests || res.Corrected.Count() != res.Requests {
		t.Errorf("%+v, %d unsent, %d corrected latencies", res.Counts, res.Unsent, res.Corrected.Count())
	}
	if res.Attack.ID != a.ID || res.Attack.Requests[0].Name != "get" {
		t.Errorf("the attack came back as %+v", res.Attack)
	}
	if states[0] != load.Warming || states[len(states)-1] != load.Done {
		t.Errorf("states %v", states)
	}
	if last.Counts != res.Counts || last.Total != 1400*time.Millisecond {
		t.Errorf("the last progress says %+v of %v", last.Counts, last.Total)
	}
	if len(last.Series) < 2 || last.Series[0].Offset != -1 {
		t.Errorf("the series begins with %+v", last.Series)
	}
	if res.WorkerCPUSeconds <= 0 {
		t.Error("no CPU was used")
	}
}

func TestResultThroughJSON(t *testing.T) {
	r := do(t, load.Attack{Model: load.Probes, Rate: 200, Target: null(t), Duration: 200 * time.Millisecond, SampleEvery: 1})
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back load.Result
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&back)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(b) {
		t.Errorf("it came back different:\n%s\n%s", b, again)
	}
	if back.Corrected.Quantile(0.5) != r.Corrected.Quantile(0.5) || len(back.Probes) != 40 || back.Status[200] != 40 {
		t.Errorf("%+v", back.Counts)
	}
}

func TestCancelledRunStopsTheAttack(t *testing.T) {
	c, w := worker(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user pressed Ctrl-C")
	_, err := c.Run(ctx, load.Attack{ID: "x", Model: load.Closed, Connections: 2, Target: null(t), Duration: time.Minute,
		Requests: []load.Request{{Name: "get", Path: "/"}}},
		func(p load.Progress) {
			if p.Requests > 0 {
				cancel(why)
			}
		})
	if !errors.Is(err, why) {
		t.Errorf("%v, want the reason", err)
	}
	if s := w.runs["x"].state(); s != load.Aborted {
		t.Errorf("the attack is %s", s)
	}
	res, err := c.Result(t.Context(), "x")
	if err != nil || !res.Stopped || res.Requests == 0 {
		t.Errorf("%v: there is no result of what was measured", err)
	}
}

func TestRunEndsWithItsWorker(t *testing.T) {
	w := NewWorker(nil)
	s := httptest.NewServer(w.Handler())
	c := load.NewClient(s.URL)
	defer c.Close()
	gone := false
	_, err := c.Run(t.Context(), load.Attack{Model: load.Closed, Connections: 1, Target: null(t), Duration: time.Minute,
		Requests: []load.Request{{Name: "get", Path: "/"}}},
		func(load.Progress) {
			if !gone {
				gone = true
				w.Close()
				s.CloseClientConnections()
				s.Close()
			}
		})
	if err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("%v, want what is wrong with the worker", err)
	}
}

func TestOneAttackBesideProbes(t *testing.T) {
	c, _ := worker(t)
	target := null(t)
	attack := func(id, model string) (load.Progress, error) {
		return c.Start(t.Context(), load.Attack{ID: id, Model: model, Rate: 10, Connections: 1, Target: target, Duration: time.Minute,
			Requests: []load.Request{{Name: "get", Path: "/"}}})
	}
	for _, row := range []struct {
		id, model string
		want      int
	}{
		{id: "load", model: load.Closed}, {id: "probe", model: load.Probes}, {id: "probe-2", model: load.Probes},
		{id: "more", model: load.Open, want: http.StatusConflict}, {id: "probe", model: load.Probes, want: http.StatusConflict},
	} {
		_, err := attack(row.id, row.model)
		var refused *load.WorkerError
		if errors.As(err, &refused) != (row.want != 0) || (refused != nil && refused.Status != row.want) {
			t.Errorf("%s: %v, want status %d", row.id, err, row.want)
		}
	}
	beside := load.Attack{ID: "elsewhere", Model: load.Open, Rate: 10, Connections: 1, Target: target, Duration: time.Minute,
		Requests: []load.Request{{Name: "get", Path: "/"}}, Beside: "load"}
	if _, err := c.Start(t.Context(), beside); err != nil {
		t.Errorf("beside the load that it names: %v", err)
	}
	if p, err := c.Stop(t.Context(), "elsewhere"); err != nil || p.State != load.Aborted {
		t.Errorf("%+v, %v", p.State, err)
	}
	if p, err := c.Stop(t.Context(), "load"); err != nil || p.State != load.Aborted {
		t.Errorf("%+v, %v", p.State, err)
	}
	if _, err := attack("load", load.Open); err != nil {
		t.Errorf("after the first is over: %v", err)
	}
	if p, err := attack("", load.Probes); err != nil || p.ID == "" {
		t.Errorf("an attack without a name: %q, %v", p.ID, err)
	}
}

func TestWorkerRefuses(t *testing.T) {
	c, w := worker(t, "lb")
	var refused *load.WorkerError
	_, err := c.Start(t.Context(), load.Attack{})
	if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
		t.Errorf("an empty attack: %v", err)
	}
	_, err = c.Start(t.Context(), load.Attack{Model: load.Closed, Connections: 1, Target: "http://192.0.2.1:80", Duration: time.Second,
		Requests: []load.Request{{Name: "get", Path: "/"}}})
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("another machine: %v", err)
	}
	if _, err := c.Progress(t.Context(), "none"); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("the progress of an unknown attack: %v", err)
	}
	if _, err := c.Result(t.Context(), "none"); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("the result of an unknown attack: %v", err)
	}
	for _, body := range []string{"", "{", `{"pattern":"open"}`} {
		rec := httptest.NewRecorder()
		w.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/attacks", strings.NewReader(body)))
		if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "message") {
			t.Errorf("%q: %d %s", body, rec.Code, rec.Body)
		}
	}
	p, err := c.Start(t.Context(), load.Attack{Model: load.Closed, Connections: 1, Target: null(t), Duration: time.Minute,
		Requests: []load.Request{{Name: "get", Path: "/"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Result(t.Context(), p.ID); !errors.As(err, &refused) || refused.Status != http.StatusConflict {
		t.Errorf("the result of an attack under way: %v", err)
	}
	w.Close()
	if _, err := c.Start(t.Context(), load.Attack{Model: load.Closed, Connections: 1, Target: "http://127.0.0.1:1",
		Duration: time.Second, Requests: []load.Request{{Name: "get", Path: "/"}}}); err == nil {
		t.Error("a worker that shuts down took an attack")
	}
}

func TestOldAttacksAreForgotten(t *testing.T) {
	_, w := worker(t)
	for range keepAttacks + 10 {
		r, err := w.add(load.Attack{Model: load.Closed, Connections: 1, Target: "http://127.0.0.1:1", Duration: time.Millisecond,
			Requests: []load.Request{{Name: "get", Path: "/"}}})
		if err != nil {
			t.Fatal(err)
		}
		<-r.over
	}
	if len(w.runs) != keepAttacks || len(w.order) != keepAttacks || w.runs["attack-42"] == nil || w.runs["attack-1"] != nil {
		t.Errorf("%d attacks are remembered", len(w.runs))
	}
}

func TestCheckTarget(t *testing.T) {
	for _, row := range []struct {
		target string
		ok     bool
	}{
		{target: "http://127.0.0.1:8000", ok: true},
		{target: "http://127.8.9.1", ok: true},
		{target: "http://[::1]:8000", ok: true},
		{target: "http://localhost:8000", ok: true},
		{target: "http://lb:8000", ok: true},
		{target: "http://gateway.example:9000", ok: true},
		{target: "http://gateway.example:9001"},
		{target: "http://192.0.2.1:80"},
		{target: "http://10.0.0.1"},
		{target: "ftp://127.0.0.1"},
		{target: "127.0.0.1:80"},
		{},
	} {
		most := 100 * time.Millisecond // unknown names
		if row.ok {
			most = 10 * time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), most)
		err := CheckTarget(ctx, []string{"lb", "gateway.example:9000"}, row.target)
		cancel()
		if (err == nil) != row.ok {
			t.Errorf("%s: %v", row.target, err)
		}
	}
}

func TestServe(t *testing.T) {
	l, _ := listen(t)
	n, nullTarget := listen(t)
	c := WorkerConfig{Listen: l.Addr().String(), Null: n.Addr().String()}
	l.Close()
	n.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, c) }()
	client := load.NewClient("http://" + c.Listen)
	defer client.Close()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if res, err := http.Get("http://" + c.Listen + "/health"); err == nil {
			var health struct{ Status string }
			err := json.NewDecoder(res.Body).Decode(&health)
			res.Body.Close()
			if err == nil && health.Status == "ok" {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the worker does not come up")
		}
	}
	guardtest.Refuses(t, "POST", "http://"+c.Listen+"/attacks")
	guardtest.Refuses(t, "DELETE", "http://"+c.Listen+"/attacks/x")
	guardtest.Refuses(t, "GET", "http://"+c.Listen+"/health")
	res, err := client.Run(ctx, load.Attack{Model: load.Closed, Connections: 4, Target: nullTarget, Duration: 100 * time.Millisecond,
		SampleEvery: 1, Requests: []load.Request{{Name: "get", Path: "/"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Failed > 0 || res.Successes == 0 {
		t.Errorf("%+v %v", res.Counts, res.Errors)
	}
	// Ended in the middle of an attack.
	if _, err := client.Start(ctx, load.Attack{Model: load.Closed, Connections: 4, Target: nullTarget, Duration: time.Minute,
		Requests: []load.Request{{Name: "get", Path: "/"}}}); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the worker does not end")
	}
	if err := Serve(t.Context(), WorkerConfig{Listen: "127.0.0.1:-1"}); err == nil {
		t.Error("a port of -1 was listened on")
	}
}
