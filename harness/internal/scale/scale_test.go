package scale

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/internal/testenv"
)

// server is a node for the server of the tests. Its CPU time is what Redis tells of itself.
type server struct {
	lab.Node
	addr string
	rdb  *redis.Client
}

func (s server) Name() string        { return "redis" }
func (s server) HostAddr(int) string { return s.addr }

func (s server) Usage(ctx context.Context) (lab.Usage, error) {
	text, err := s.rdb.Info(ctx, "cpu").Result()
	if err != nil {
		return lab.Usage{}, err
	}
	var total float64
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			var v float64
			if _, err := fmt.Sscan(value, &v); err != nil {
				return lab.Usage{}, err
			}
			total += v
		}
	}
	return lab.Usage{CPUSeconds: total}, nil
}

func newServer(t *testing.T) server {
	t.Helper()
	addr := testenv.Redis(t)
	rdb := redis.NewClient(&redis.Options{Addr: addr, DB: 3, DisableIdentity: true})
	t.Cleanup(func() { rdb.Close() })
	if err := rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return server{addr: addr, rdb: rdb}
}

// recordOf is what MONITOR saw of the commands that do sends.
func recordOf(t *testing.T, s server, do func(ctx context.Context)) *trace {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	listening, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	var got *trace
	go func() {
		var err error
		got, err = record(listening, s.addr, func() { close(ready) })
		ended <- err
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	do(ctx)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCommandsAreRecordedAndReplayed(t *testing.T) {
	s := newServer(t)
	binary := string([]byte{0, '"', '\\', '\r', '\n', 0xff, ' ', ']'})
	got := recordOf(t, s, func(ctx context.Context) {
		s.rdb.Set(ctx, "key "+binary, binary, 0)
		s.rdb.Get(ctx, "key "+binary)
		s.rdb.Eval(ctx, "return redis.call('INCRBY', KEYS[1], ARGV[1])", []string{"count"}, 2)
		s.rdb.Ping(ctx)
	})
	if got.count["set"] != 1 || got.count["get"] != 1 || got.count["eval"] != 1 || got.total() != 3 {
		t.Fatalf("recorded %v: want set, get and eval, neither ping nor what the script did", got.count)
	}
	if list := got.lists()[0]; len(list) != 3 || list[0][2] != binary || list[0][1] != "key "+binary {
		t.Fatalf("kept %q", list)
	}
	// Replays select no database: what was recorded is sent to number 0.
	zero := redis.NewClient(&redis.Options{Addr: s.addr, DisableIdentity: true})
	defer zero.Close()
	defer zero.Del(context.WithoutCancel(t.Context()), "count", "key "+binary)
	for _, depth := range []int{1, 7} {
		zero.Del(t.Context(), "count")
		out, err := replay(t.Context(), s, got, 300*time.Millisecond, depth, 2)
		if err != nil {
			t.Fatal(err)
		}
		n, err := zero.Get(t.Context(), "count").Int()
		sent := out.CommandsPS * out.DurationS
		if err != nil || float64(n/2) < sent/3-float64(2*depth) || float64(n/2) > sent/3+float64(2*depth) {
			t.Errorf("depth %d: the script ran %d times, of %.0f commands a third are its; error %v", depth, n/2, sent, err)
		}
		if out.Errors != 0 || out.RedisCores <= 0 || out.CorePS < out.CommandsPS*0.9 || out.Depth != depth {
			t.Errorf("depth %d: %+v", depth, out)
		}
	}
}

func TestAReplayCountsErrorsAndStops(t *testing.T) {
	s := newServer(t)
	bad := &trace{kept: map[string][][]any{"a client": {{"evalsha", "0123456789012345678901234567890123456789", "0"}}}}
	out, err := replay(t.Context(), s, bad, 200*time.Millisecond, 3, 1)
	if err != nil || out.Errors == 0 || math.Round(out.CommandsPS*out.DurationS) != float64(out.Errors) {
		t.Errorf("%+v, error %v: every reply is an error", out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replay(ctx, s, bad, time.Minute, 3, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("after it was cancelled: %v", err)
	}
	if _, err := replay(t.Context(), s, &trace{}, time.Second, 1, 1); err == nil || !strings.Contains(err.Error(), "no command was recorded") {
		t.Errorf("without commands: %v", err)
	}
}

func TestEveryWatcherIsWaitedFor(t *testing.T) {
	dsn := testenv.Postgres(t)
	if err := execute(t.Context(), dsn, makeTable); err != nil {
		t.Fatal(err)
	}
	for _, reads := range []bool{false, true} {
		w, err := watch(t.Context(), dsn, 12, reads)
		if err != nil {
			t.Fatal(err)
		}
		began := 0
		out, err := fanout(t.Context(), dsn, w, 4, func() error { began++; return nil })
		w.close()
		if err != nil || began != 1 || out.Changes != 4 {
			t.Fatalf("reads %t: %+v, measured from %d times, error %v", reads, out, began, err)
		}
		if out.FirstMS.Median <= 0 || out.LastMS.Median < out.FirstMS.Median || out.LastMS.Max < out.LastMS.Median || out.CommitMS.Median <= 0 {
			t.Errorf("reads %t: %+v", reads, out)
		}
	}
	if err := gone(t.Context(), dsn); err != nil {
		t.Error(err)
	}
}

// A watcher whose connection breaks ends the measurement at once, with the reason.
func TestALostWatcherIsTold(t *testing.T) {
	dsn := testenv.Postgres(t)
	if err := execute(t.Context(), dsn, makeTable); err != nil {
		t.Fatal(err)
	}
	w, err := watch(t.Context(), dsn, 3, false)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	const end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database() LIMIT 1"
	if err := execute(t.Context(), dsn, end); err != nil {
		t.Fatal(err)
	}
	_, err = fanout(t.Context(), dsn, w, 3, func() error { return nil })
	if err == nil || !strings.Contains(err.Error(), "terminating connection") {
		t.Errorf("error %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := RedisOptions{Window: time.Second, Depths: []int{1}, Connections: 1}
	for want, change := range map[string]func(*RedisOptions){
		"window: 1ms is not allowed: want 1s to 1m":     func(o *RedisOptions) { o.Window = time.Millisecond },
		"connections: 0 is not allowed: want 1 to 1000": func(o *RedisOptions) { o.Connections = 0 },
		"depths: want at least one number":              func(o *RedisOptions) { o.Depths = nil },
		"depths: 1001 is not allowed: want 1 to 1000":   func(o *RedisOptions) { o.Depths = []int{1, 1001} },
	} {
		o := good
		change(&o)
		if _, err := Redis(t.Context(), o); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for want, o := range map[string]PostgresOptions{
		"watchers: want at least one number":             {Changes: 1},
		"watchers: 9999 is not allowed: want 1 to 5000":  {Changes: 1, Watchers: []int{1, 9999}},
		"changes: 0 is not allowed: want 1 to 1000":      {Watchers: []int{1}},
		"changes: 100000 is not allowed: want 1 to 1000": {Watchers: []int{1}, Changes: 100_000},
	} {
		if _, err := Postgres(t.Context(), o); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func FuzzParseMonitor(f *testing.F) {
	f.Add(`+1339518083.107412 [0 127.0.0.1:60866] "set" "a \"key\"\x00" "v"` + "\r\n")
	f.Add(`+1339518083.107412 [3 lua] "get" "x"`)
	f.Add("+OK")
	f.Fuzz(func(t *testing.T, text string) {
		client, words, err := parseMonitor(text)
		if err != nil && (client != "" || words != nil) {
			t.Errorf("%q: an error and %q %q", text, client, words)
		}
		if err == nil && bytes.ContainsRune([]byte(client), ']') && !strings.Contains(text, "]") {
			t.Errorf("%q: client %q", text, client)
		}
	})
}
