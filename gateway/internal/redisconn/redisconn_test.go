package redisconn

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/gatelab/gatelab/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.RunWithoutLeaks(m, goleak.IgnoreAnyFunction("github.com/gatelab/gatelab/internal/testenv.spawn.func1"))
}

// link is a TCP forwarder that a test can cut, or make swallow every byte.
type link struct {
	listener net.Listener
	to       string
	cut      atomic.Bool
	mute     atomic.Bool
	mu       sync.Mutex
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l, to: to, conns: map[net.Conn]bool{}}
	k.wg.Go(k.accept)
	t.Cleanup(func() {
		l.Close()
		k.drop()
		k.wg.Wait()
	})
	return k
}

func (k *link) accept() {
	for {
		c, err := k.listener.Accept()
		if err != nil {
			return
		}
		if k.cut.Load() {
			c.Close()
			continue
		}
		s, err := net.Dial("tcp", k.to)
		if err != nil {
			c.Close()
			continue
		}
		k.mu.Lock()
		k.conns[c], k.conns[s] = true, true
		k.mu.Unlock()
		for _, p := range [][2]net.Conn{{c, s}, {s, c}} {
			k.wg.Go(func() {
				defer p[0].Close()
				defer p[1].Close()
				_, _ = io.Copy(mutedConn{p[1], k}, p[0])
			})
		}
	}
}

type mutedConn struct {
	net.Conn
	link *link
}

func (m mutedConn) Write(p []byte) (int, error) {
	if m.link.mute.Load() {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

func (k *link) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.conns {
		c.Close()
	}
	clear(k.conns)
}

func (k *link) setCut(cut bool) {
	k.cut.Store(cut)
	if cut {
		k.drop()
	}
}

func (k *link) options(t *testing.T) Options {
	t.Helper()
	host, port, err := net.SplitHostPort(k.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	return Options{Host: host, Port: n}
}

func ping(ctx context.Context, rdb redis.Cmdable) error { return rdb.Ping(ctx).Err() }

// eventually waits for what another goroutine must bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func newRegistry(t *testing.T, cfg Config, reg prometheus.Registerer) *Registry {
	t.Helper()
	r := NewRegistry(cfg, reg)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestSameOptionsShareAClient(t *testing.T) {
	r := newRegistry(t, Config{}, nil)
	a := r.Client(Options{Host: "127.0.0.1", Port: 1})
	if r.Client(Options{Host: "127.0.0.1", Port: 1}) != a {
		t.Error("equal options gave two clients")
	}
	if r.Client(Options{Host: "127.0.0.1", Port: 1, Database: 1}) == a {
		t.Error("another database gave the same client")
	}
}

func TestDeadServerIsRefusedAtOnceAndComesBack(t *testing.T) {
	for _, how := range []string{"cut", "mute"} {
		t.Run(how, func(t *testing.T) {
			k := newLink(t, testenv.Redis(t))
			reg := prometheus.NewRegistry()
			r := newRegistry(t, Config{DialTimeout: 5 * time.Second, Timeout: 500 * time.Millisecond, BreakAfter: 3,
				BreakFor: 10 * time.Millisecond}, reg)
			c := r.Client(k.options(t))
			if err := c.Do(t.Context(), ping); err != nil {
				t.Fatal(err)
			}
			if how == "cut" {
				k.setCut(true)
			} else {
				k.mute.Store(true)
			}
			for range 3 { // fewer when the poller failed meanwhile, too
				if err := c.Do(t.Context(), ping); err == nil {
					t.Fatal("a server that does not answer gave no error")
				}
			}
			refused := testutil.ToFloat64(c.metrics.unavailable)
			if c.Available() {
				t.Fatal("three failures in a row left the breaker closed")
			}
			called := false
			err := c.Do(t.Context(), func(context.Context, redis.Cmdable) error { called = true; return nil })
			if !errors.Is(err, ErrUnavailable) || called {
				t.Fatalf("open breaker: err %v, function called %t", err, called)
			}
			// The connections of before end first: one that a probe made in between
			// would close the breaker, and be gone when it is used.
			k.drop()
			k.mute.Store(false)
			k.setCut(false)
			eventually(t, "the breaker closes by itself", c.Available)
			if err := c.Do(t.Context(), ping); err != nil {
				t.Errorf("after it came back: %v", err)
			}
			if n := testutil.ToFloat64(c.metrics.unavailable) - refused; n != 1 {
				t.Errorf("unavailable counted %v times, want 1", n)
			}
		})
	}
}

func TestWhatCountsAsAFailure(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name   string
		ctx    context.Context
		err    error
		counts bool
	}{
		{name: "no error is none", ctx: context.Background()},
		{name: "a missing key is an answer", ctx: context.Background(), err: redis.Nil},
		{name: "a refusal comes from a living server", ctx: context.Background(), err: reply("WRONGTYPE Operation against a key")},
		{name: "a loading server does not serve", ctx: context.Background(),
			err: reply("LOADING Redis is loading the dataset in memory"), counts: true},
		{name: "a wrong password will not get right", ctx: context.Background(), err: reply("WRONGPASS invalid username-password pair"),
			counts: true},
		{name: "a time-out is a failure", ctx: context.Background(), err: context.DeadlineExceeded, counts: true},
		{name: "a broken connection is a failure", ctx: context.Background(), err: io.ErrUnexpectedEOF, counts: true},
		{name: "a client that went away says nothing about Redis", ctx: cancelled, err: context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := outcomeOf(tt.ctx, tt.err)
			if counts := o == outcomeTimeout || o == outcomeFailed; counts != tt.counts {
				t.Errorf("%v counts: %t, want %t", tt.err, counts, tt.counts)
			}
		})
	}
}

func TestFailuresMustBeInARow(t *testing.T) {
	b := &breaker{after: 2}
	for range 3 {
		if b.failure() {
			t.Fatal("opened although a success lay between")
		}
		b.success()
	}
	b.failure()
	if !b.failure() {
		t.Error("two in a row did not open it")
	}
	if b.failure() {
		t.Error("a second caller was told to start a probe")
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestSubscriptionSurvivesACut(t *testing.T) {
	k := newLink(t, testenv.Redis(t))
	r := newRegistry(t, Config{BreakFor: 5 * time.Millisecond}, nil)
	c := r.Client(k.options(t))
	var connected, received atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		c.Subscribe(ctx, "redisconn-test", func(context.Context) error { connected.Add(1); return nil },
			func(p string) {
				if p == "hello" {
					received.Add(1)
				}
			})
	}()
	publish := func() {
		_ = c.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) error {
			return rdb.Publish(ctx, "redisconn-test", "hello").Err()
		})
	}
	eventually(t, "the first connection", func() bool { return connected.Load() >= 1 })
	eventually(t, "a message", func() bool { publish(); return received.Load() > 0 })
	n := connected.Load() // more than one where the machine is so slow that one timed out
	k.drop()
	eventually(t, "the second connection", func() bool { return connected.Load() > n })
	before := received.Load()
	eventually(t, "a message after the cut", func() bool { publish(); return received.Load() > before })
	cancel()
	<-over
}

func TestMemoryAndUpAreRead(t *testing.T) {
	k := newLink(t, testenv.Redis(t))
	reg := prometheus.NewRegistry()
	r := newRegistry(t, Config{PollInterval: 10 * time.Millisecond, BreakAfter: 1}, reg)
	c := r.Client(k.options(t))
	eventually(t, "up and used memory", func() bool {
		return testutil.ToFloat64(r.metrics.up.WithLabelValues(c.options.Address())) == 1 && testutil.ToFloat64(c.metrics.used) > 0
	})
	k.setCut(true)
	eventually(t, "down", func() bool { return testutil.ToFloat64(r.metrics.up.WithLabelValues(c.options.Address())) == 0 })
	k.setCut(false)
	eventually(t, "up again", func() bool { return testutil.ToFloat64(r.metrics.up.WithLabelValues(c.options.Address())) == 1 })
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

func TestParseMemory(t *testing.T) {
	used, most := parseMemory("# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nmaxmemory:33554432\r\n")
	if used != 1048576 || most != 33554432 {
		t.Errorf("got %v, %v", used, most)
	}
}

func TestClosedRegistryIsUnavailable(t *testing.T) {
	r := NewRegistry(Config{}, nil)
	before := r.Client(Options{Host: "127.0.0.1", Port: 1})
	_ = r.Close()
	for _, c := range []*Client{before, r.Client(Options{Host: "other"})} {
		if err := c.Do(t.Context(), ping); !errors.Is(err, ErrUnavailable) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestCredentialsAreNotInTheAddress(t *testing.T) {
	if a := (Options{Host: "redis", Username: "u", Password: "secret"}).Address(); a != "redis:6379" || strings.Contains(a, "secret") {
		t.Errorf("address %q", a)
	}
}
