package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/testenv"
)

// A trial serves a percentage, a header or a replica, on every replica; nothing else
// is changed meanwhile; it ends everywhere.
func TestAPartOfTheRequestsIsServedWithATrial(t *testing.T) {
	c := startTried(t, 3)
	c.begin("ten", map[string]any{"percent": 10})
	began := time.Now()
	c.everywhere("the trial is served", c.running)
	t.Logf("every replica serves the trial %v after it was acknowledged", time.Since(began).Round(time.Millisecond))
	if got := c.share(400, nil)["trial"]; got < 60 || got > 190 { // 120 +- 6.7 standard errors
		t.Errorf("%d of 1200 requests were served with a trial of 10%%", got)
	}

	// Every other change is refused, and says why.
	for _, try := range []struct{ method, path string }{{"POST", "/services"}, {"PATCH", "/services/api"}, {"DELETE", "/routes/all"}} {
		got := c.call(try.method, try.path, map[string]any{"name": "api2", "host": "example.com"}, 409)
		if message, _ := got["message"].(string); !strings.Contains(message, `the trial "ten" is running`) {
			t.Errorf("%s %s: %v", try.method, try.path, got)
		}
	}
	c.call(http.MethodPost, "/trials", map[string]any{"name": "second", "percent": 1, "changes": []any{
		map[string]any{"entity": "consumers", "operation": "create", "body": map[string]any{"username": "a"}}}}, 409)
	c.call(http.MethodDelete, "/trials/eleven", nil, 404)

	if got := c.call(http.MethodDelete, "/trials/ten", nil, 200); got["state"] != "dropped" {
		t.Errorf("dropped: %v", got)
	}
	c.everywhere("the trial has ended", func(p *process) bool { return !c.running(p) })
	if got := c.share(50, nil)["trial"]; got != 0 {
		t.Errorf("%d requests were served with a trial that was dropped", got)
	}

	c.begin("by-header", map[string]any{"header": "X-Trial", "header_value": "yes"})
	c.everywhere("the trial is served", c.running)
	with, without := c.share(20, http.Header{"X-Trial": {"yes"}}), c.share(20, http.Header{"X-Trial": {"no"}})
	if with["trial"] != 60 || without["trial"] != 0 {
		t.Errorf("with the header %v, without %v", with, without)
	}
	c.call(http.MethodDelete, "/trials/by-header", nil, 200)

	c.begin("by-replica", map[string]any{"replicas": []string{"gw-1"}})
	c.everywhere("the trial is served", c.running)
	if got := c.share(20, nil); got["1"] != 20 || got["trial"] != 20 {
		t.Errorf("of 20 requests to each replica: %v", got)
	}

	// What was tried is what holds afterwards.
	if got := c.call(http.MethodPost, "/trials/by-replica/promote", nil, 200); got["state"] != "promoted" {
		t.Errorf("promoted: %v", got)
	}
	c.everywhere("it holds", func(p *process) bool { return c.get(p, nil) == "trial" && !c.running(p) })
	to, port, _ := net.SplitHostPort(strings.TrimPrefix(c.other.URL, "http://"))
	if got := c.call(http.MethodGet, "/services/api", nil, 200); got["host"] != to || fmt.Sprint(got["port"]) != port {
		t.Errorf("the service is %v", got)
	}
	c.call(http.MethodPatch, "/services/api", map[string]any{"retries": 1}, 200) // changes are accepted again
}

// A bad configuration is dropped by its own figures, soon, and hurts few requests.
func TestABadTrialIsDroppedByItsObjectives(t *testing.T) {
	c := startTried(t, 3)
	c.status.Store(http.StatusInternalServerError)
	stop := make(chan struct{})
	sent, failed, wait := c.traffic(stop)
	c.begin("bad", map[string]any{"percent": 10, "max_errors": 1, "min_requests": 20, "window": 10})
	began, before := time.Now(), sent.Load()
	var got map[string]any
	c.replicas[0].eventually("the trial is dropped", func() bool {
		got = c.call(http.MethodGet, "/trials/bad", nil, 200)
		return got["state"] == "dropped"
	})
	took := time.Since(began)
	of, hurt := sent.Load()-before, failed.Load()
	c.everywhere("the trial has ended", func(p *process) bool { return !c.running(p) })
	at := failed.Load()
	from := sent.Load()
	c.replicas[0].eventually("more traffic", func() bool { return sent.Load() > from+100 })
	if n := failed.Load(); n != at && n > at+3 { // those that were in flight
		t.Errorf("%d requests failed after the trial had ended", n-at)
	}
	close(stop)
	wait()
	t.Logf("dropped after %v; it hurt %d of %d requests: %v", took.Round(time.Millisecond), hurt, of, got["reason"])
	reason, _ := got["reason"].(string)
	if by, _ := got["ended_by"].(string); by != "trial:bad" || !strings.Contains(reason, "max_errors=1%") {
		t.Errorf("ended by %q: %q", by, reason)
	}
	c.replicas[0].eventually("the counts are complete", func() bool {
		counts, _ := c.call(http.MethodGet, "/trials/bad", nil, 200)["trial"].(map[string]any)
		errors, _ := counts["errors"].(float64)
		return int64(errors) >= hurt
	})
	c.call(http.MethodPatch, "/services/api", map[string]any{"retries": 1}, 200)
}

// A replica that dies in the middle does not end a trial, and serves it again when it
// is back; a good trial is promoted when its time is over.
func TestATrialOutlivesAReplica(t *testing.T) {
	c := startTried(t, 2)
	c.begin("good", map[string]any{"percent": 50, "max_errors": 5, "max_p99": 60000, "lasts": 20, "then": "promote"})
	c.everywhere("the trial is served", c.running)
	c.share(40, nil)
	c.replicas[0].eventually("the counts of both replicas are stored", func() bool {
		list, _ := c.call(http.MethodGet, "/trials/good", nil, 200)["by_replica"].([]any)
		return len(list) == 2
	})
	dead := c.replicas[1]
	_ = dead.cmd.Process.Kill()
	dead.ended <- <-dead.ended
	c.replicas = c.replicas[:1]
	if got := c.share(60, nil)["trial"]; got < 10 || got > 50 {
		t.Errorf("%d of 60 requests to the other replica were served with a trial of 50%%", got)
	}
	c.replicas = append(c.replicas, c.start(1))
	c.everywhere("the trial is served by a replica that is new", c.running)
	c.share(40, nil)
	c.replicas[0].eventually("the trial is promoted", func() bool {
		return c.call(http.MethodGet, "/trials/good", nil, 200)["state"] == "promoted"
	})
	c.everywhere("it holds", func(p *process) bool { return c.get(p, nil) == "trial" })
	got := c.call(http.MethodGet, "/trials/good", nil, 200)
	if list, _ := got["by_replica"].([]any); len(list) != 3 { // the process that died is one of them
		t.Errorf("counted by %v", list)
	}
	if reason, _ := got["reason"].(string); !strings.Contains(reason, "its objectives are met") {
		t.Errorf("the reason is %q", reason)
	}
}

// The commands do what the Admin API does.
func TestTrialCommands(t *testing.T) {
	c := &tool{t, testenv.Postgres(t), t.TempDir()}
	c.want(nil, "import", c.file("kong.yml", everyKind))
	same := c.file("same.yml", everyKind)
	tried := c.file("tried.yml", strings.Replace(everyKind, "minute: 5", "minute: 7", 1))
	if code, out := c.run("trial", "start", tried); code != exitFailed || !strings.Contains(out, "which requests take part") {
		t.Errorf("without requests: %d %s", code, out)
	}
	if code, out := c.run("trial", "start", same, "--percent=5"); code != exitFailed || !strings.Contains(out, "nothing to try") {
		t.Errorf("without a change: %d %s", code, out)
	}
	c.want([]string{"update plugin \"rate-limiting\"", "minute 5 -> 7", `trial "limits" is running`},
		"trial", "start", tried, "--name=limits", "--percent=5", "--max-errors=1", "--max-p99=250ms")
	c.want([]string{"limits", "running"}, "trial", "status")
	if code, out := c.run("import", tried); code != exitFailed || !strings.Contains(out, `the trial "limits" is running`) {
		t.Errorf("an import meanwhile: %d %s", code, out)
	}
	c.want([]string{`trial "limits" is promoted`}, "trial", "promote", "limits")
	c.want([]string{"would be 0 created, 0 updated, 0 deleted"}, "diff", tried)
	c.want([]string{"promote", "insert"}, "history")
	c.want([]string{`trial "limits"`}, "history")
	if code, out := c.run("trial", "drop", "limits"); code != exitFailed || !strings.Contains(out, `no trial "limits" is running`) {
		t.Errorf("dropped again: %d %s", code, out)
	}
	if code, out := c.run("trial", "stop", "x"); code != exitUsage || !strings.Contains(out, `"trial stop": no such command`) {
		t.Errorf("an unknown command: %d %s", code, out)
	}
}
