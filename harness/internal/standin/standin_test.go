package standin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/internal/testenv"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// free is an address on which nothing listens.
func free(t *testing.T) string {
	t.Helper()
	return testenv.FreeAddr(t)
}

// serve runs a stand-in until the test ends.
func serve(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("it does not end")
		}
	})
}

func TestRedisRunsScriptsAndLetsKeysExpire(t *testing.T) {
	addr := free(t)
	serve(t, func(ctx context.Context) error { return Redis(ctx, addr) })
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: 20})
	defer c.Close()
	ctx := t.Context()
	script := redis.NewScript(`local n = redis.call("INCRBY", KEYS[1], ARGV[1]) redis.call("PEXPIRE", KEYS[1], 1000) return n`)
	knowsScripts(t, c)
	for want := int64(5); want <= 10; want += 5 {
		got, err := script.Run(ctx, c, []string{"k"}, 5).Int64()
		must(t, err)
		if got != want {
			t.Errorf("counted %d, want %d", got, want)
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for c.Exists(ctx, "k").Val() != 0 {
		if time.Now().After(deadline) {
			t.Fatal("a key with a life of a second is still there")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// knowsScripts waits until the stand-in has all commands: the library listens first, and registers them then, one after another.
func knowsScripts(t *testing.T, c *redis.Client) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := c.ScriptFlush(t.Context()).Err()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no scripts: ", err)
		}
		time.Sleep(time.Millisecond)
	}
}

// replica answers with its name.
func replica(t *testing.T, name string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s%s", name, r.Host, r.Header.Get("X-Forwarded-For"), b)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func balance(t *testing.T, c BalancerConfig) (front, status string) {
	t.Helper()
	c.Listen, c.Status = free(t), free(t)
	if c.Method == "" {
		c.Method = "round_robin"
	}
	serve(t, func(ctx context.Context) error { return Balancer(ctx, c) })
	deadline := time.Now().Add(30 * time.Second)
	for {
		_, err1 := http.Get("http://" + c.Status + "/health") //nolint:bodyclose // a probe
		if err1 == nil {
			if l, err := net.Dial("tcp", c.Listen); err == nil {
				l.Close()
				return "http://" + c.Listen, "http://" + c.Status
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the balancer does not listen")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(b)
}

// says waits until the status says a thing so many times: a request is counted as
// in flight until a little after its answer.
func says(t *testing.T, status string, times int, what string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, text := ask(t, "GET", status+"/status", "")
		if strings.Count(text, what) == times {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("status %q, want %q %d times", text, what, times)
			return
		}
	}
}

func TestBalancerSpreadsAndKeepsTheHost(t *testing.T) {
	for _, method := range []string{"round_robin", "least_conn"} {
		front, status := balance(t, BalancerConfig{Method: method, Keepalive: 8, Upstreams: []string{replica(t, "a"), replica(t, "b")}})
		seen := map[string]int{}
		for range 20 {
			code, body := ask(t, "POST", front+"/x", "!")
			name, rest, _ := strings.Cut(body, " ")
			if want := strings.TrimPrefix(front, "http://") + " 127.0.0.1!"; code != 200 || rest != want {
				t.Fatalf("%s: answer %d %q, want %q", method, code, rest, want)
			}
			seen[name]++
		}
		if seen["a"] == 0 || seen["b"] == 0 {
			t.Errorf("%s: answers came from %v", method, seen)
		}
		says(t, status, 2, "in_flight=0 out=false")
	}
}

func TestDeadReplicaIsTakenOut(t *testing.T) {
	dead := free(t)
	front, status := balance(t, BalancerConfig{Upstreams: []string{dead, replica(t, "b")}, MaxFails: 2, FailTimeout: time.Minute,
		Retries: true, Keepalive: 4})
	for range 10 {
		if code, body := ask(t, "POST", front, ""); code != 200 || !strings.HasPrefix(body, "b ") {
			t.Errorf("answer %d %q", code, body)
		}
	}
	says(t, status, 1, dead+" in_flight=0 out=true")
}

func TestOnlyIdempotentRequestsAreSentAgain(t *testing.T) {
	var hits atomic.Int64
	// Takes the request and hangs up.
	rude := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}))
	defer rude.Close()
	front, _ := balance(t, BalancerConfig{Upstreams: []string{strings.TrimPrefix(rude.URL, "http://"),
		strings.TrimPrefix(rude.URL, "http://")}, Retries: true})
	for method, want := range map[string]int64{"POST": 1, "GET": 2} {
		hits.Store(0)
		if code, _ := ask(t, method, front, ""); code != http.StatusBadGateway || hits.Load() != want {
			t.Errorf("%s: status %d after %d tries, want 502 after %d", method, code, hits.Load(), want)
		}
	}
}

func TestEventsPassAsTheyAreSent(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-release
	}))
	defer s.Close()
	defer close(release)
	front, _ := balance(t, BalancerConfig{Upstreams: []string{strings.TrimPrefix(s.URL, "http://")}})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", front, http.NoBody)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line != "data: 1\n" {
		t.Errorf("got %q, %v before the answer's end", line, err)
	}
}

func TestBalancerRefusesWhatItCannotDo(t *testing.T) {
	good := BalancerConfig{Upstreams: []string{"a:1"}, Method: "least_conn"}
	for want, change := range map[string]func(*BalancerConfig){
		"upstream: none given": func(c *BalancerConfig) { c.Upstreams = nil },
		`method: "ip_hash" is not allowed: want round_robin or least_conn`: func(c *BalancerConfig) { c.Method = "ip_hash" },
		"keepalive: -1 is not allowed: want 0 or more":                     func(c *BalancerConfig) { c.Keepalive = -1 },
		"max-fails: -1 is not allowed: want 0 or more":                     func(c *BalancerConfig) { c.MaxFails = -1 },
		"fail-timeout: -1s is not allowed: want 0 or more":                 func(c *BalancerConfig) { c.FailTimeout = -time.Second },
	} {
		c := good
		change(&c)
		if err := Balancer(t.Context(), c); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
