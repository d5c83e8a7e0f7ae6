package logqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector takes batches, and fails as long as it is told to.
type collector struct {
	mu      sync.Mutex
	batches []string
	fails   int           // further calls that fail; -1: all
	hold    chan struct{} // a call waits for it; nil: none does
	calls   chan struct{}
}

func newCollector() *collector { return &collector{calls: make(chan struct{}, 10_000)} }

func (c *collector) send(ctx context.Context, batch [][]byte) error {
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls <- struct{}{}
	if c.fails != 0 {
		c.fails--
		return errors.New("away")
	}
	c.batches = append(c.batches, string(bytes.Join(batch, []byte(","))))
	return nil
}

func (c *collector) got() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.batches)
}

// await waits for some calls.
func (c *collector) await(t *testing.T, calls int) {
	t.Helper()
	for range calls {
		select {
		case <-c.calls:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was sent")
		}
	}
}

type fixture struct {
	*Registry
	metrics *prometheus.Registry
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	reg := prometheus.NewRegistry()
	r, err := NewRegistry(reg, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.retire, r.within = 200*time.Millisecond, 200*time.Millisecond
	t.Cleanup(r.Close)
	return fixture{r, reg}
}

func (f fixture) counts() string {
	c, d := f.counters.sent, f.counters.dropped
	return fmt.Sprintf("sent %v full %v failed %v closed %v", testutil.ToFloat64(c.WithLabelValues("p")),
		testutil.ToFloat64(d.WithLabelValues("p", full)), testutil.ToFloat64(d.WithLabelValues("p", failed)),
		testutil.ToFloat64(d.WithLabelValues("p", closed)))
}

func add(q *Queue, entries ...string) {
	for _, e := range entries {
		q.Add([]byte(e))
	}
}

func TestBatches(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		want   string
	}{
		{name: "single entries", config: Config{MaxBatchSize: 1, MaxEntries: 9, MaxCoalescingDelay: 60}, want: "[a b c d]"},
		{name: "whole batches do not wait", config: Config{MaxBatchSize: 2, MaxEntries: 9, MaxCoalescingDelay: 60}, want: "[a,b c,d]"},
		{name: "the rest comes after the delay", config: Config{MaxBatchSize: 3, MaxEntries: 9, MaxCoalescingDelay: 0.05}, want: "[a,b,c d]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, c := newFixture(t), newCollector()
			q := f.Queue(Spec{Plugin: "p", Config: tt.config, Send: c.send})
			add(q, "a", "b", "c", "d")
			deadline := time.Now().Add(10 * time.Second)
			for c.got() != tt.want && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			if got := c.got(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestAFullQueueDropsTheOldest, and a request does not wait for one that is stuck.
func TestAFullQueueDropsTheOldest(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		want   string
		full   int
	}{
		{name: "by entries", config: Config{MaxBatchSize: 1, MaxEntries: 2}, want: "[first dd ee]", full: 3},
		{name: "by bytes", config: Config{MaxBatchSize: 1, MaxEntries: 100, MaxBytes: 6}, want: "[first cc dd ee]", full: 2},
		{
			name: "by bytes that two entries do not fill", config: Config{MaxBatchSize: 1, MaxEntries: 100, MaxBytes: 5},
			want: "[first dd ee]", full: 3,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, c := newFixture(t), newCollector()
			c.hold = make(chan struct{})
			q := f.Queue(Spec{Plugin: "p", Config: tt.config, Send: c.send})
			add(q, "first")
			deadline := time.Now().Add(10 * time.Second)
			for q.length() > 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			add(q, "aa", "bb", "cc", "dd", "ee")
			close(c.hold)
			f.Close()
			if got := c.got(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got, want := testutil.ToFloat64(f.counters.dropped.WithLabelValues("p", full)), float64(tt.full); got != want {
				t.Errorf("%v are counted as dropped, want %v", got, want)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		name      string
		fails     int
		retryTime float64
		calls     int
		want      string
	}{
		{name: "it comes back", fails: 3, retryTime: 60, calls: 4, want: "sent 1 full 0 failed 0 closed 0"},
		{name: "no retries", fails: -1, retryTime: -1, calls: 1, want: "sent 0 full 0 failed 1 closed 0"},
		{name: "for some time", fails: -1, retryTime: 0.02, calls: 3, want: "sent 0 full 0 failed 1 closed 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, c := newFixture(t), newCollector()
			c.fails = tt.fails
			config := Config{MaxBatchSize: 1, MaxEntries: 9, MaxRetryTime: tt.retryTime, InitialRetryDelay: 0.005, MaxRetryDelay: 0.01}
			q := f.Queue(Spec{Plugin: "p", Config: config, Send: c.send})
			add(q, "a")
			c.await(t, tt.calls)
			f.Close()
			if got := f.counts(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestAQueueOutlivesConfigurations while its plugin stays the same.
func TestAQueueOutlivesConfigurations(t *testing.T) {
	f, c := newFixture(t), newCollector()
	spec := Spec{Plugin: "p", Key: "1", Config: Config{MaxBatchSize: 1, MaxEntries: 9}, Send: c.send}
	q := f.Queue(spec)
	if f.Queue(spec) != q {
		t.Error("the same plugin has another queue")
	}
	f.Keep([]*Queue{q})
	add(q, "a")
	c.await(t, 1)
	f.Keep(nil)
	if f.Queue(spec) == q {
		t.Error("a queue that ended is used again")
	}
	add(q, "of a request under way")
	c.await(t, 1)
	f.Close()
	add(q, "late")
	if got, want := f.counts(), "sent 2 full 0 failed 0 closed 1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestCloseDeliversWhatThereIs, and does not wait for what cannot be delivered.
func TestCloseDeliversWhatThereIs(t *testing.T) {
	f, c := newFixture(t), newCollector()
	q := f.Queue(Spec{Plugin: "p", Config: Config{MaxBatchSize: 9, MaxEntries: 99, MaxCoalescingDelay: 60}, Send: c.send})
	add(q, "a", "b")
	f.Close()
	if got := c.got(); got != "[a,b]" {
		t.Errorf("delivered %s", got)
	}
	f, c = newFixture(t), newCollector()
	c.hold = make(chan struct{})
	c.fails = -1
	q = f.Queue(Spec{Plugin: "p", Config: Config{MaxBatchSize: 1, MaxEntries: 99, MaxRetryTime: 60, InitialRetryDelay: 60}, Send: c.send})
	add(q, "a", "b", "c")
	f.Close()
	if got, want := f.counts(), "sent 0 full 0 failed 0 closed 3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := f.Queue(Spec{Plugin: "p", Send: c.send}); got == nil {
		t.Error("no queue")
	} else {
		add(got, "d")
	}
	if got, want := f.counts(), "sent 0 full 0 failed 0 closed 4"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestCountersBeginAt0 before there is an entry.
func TestCountersBeginAt0(t *testing.T) {
	reg := prometheus.NewRegistry()
	if err := Declare(reg, "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRegistry(reg, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(reg); n != 4 || err != nil {
		t.Errorf("%d series, %v", n, err)
	}
}

// A server that does not answer costs a bounded part of memory, whatever clients
// send, and not the entries of other queues.
func TestQueuesTogetherAreBounded(t *testing.T) {
	f := newFixture(t)
	held, other := newCollector(), newCollector()
	held.hold = make(chan struct{})
	c := Default()
	c.MaxBatchSize = 1
	q := f.Queue(Spec{Plugin: "http-log", Key: "a", Config: c, Send: held.send})
	own := c
	own.MaxBytes = 2 * mostBytes
	asked := f.Queue(Spec{Plugin: "tcp-log", Key: "b", Config: own, Send: held.send})
	long := bytes.Repeat([]byte("x"), ownBytes)
	for range 2 * mostBytes / ownBytes {
		q.Add(long)
		asked.Add(long)
	}
	if n := f.held.Load(); n > mostBytes || n < mostBytes/2 {
		t.Errorf("%d bytes are held", n)
	}
	if full := testutil.ToFloat64(f.counters.dropped.WithLabelValues("http-log", full)); full < 60 {
		t.Errorf("%v entries were dropped", full)
	}
	if full := testutil.ToFloat64(f.counters.dropped.WithLabelValues("tcp-log", full)); full != 0 {
		t.Errorf("%v entries were dropped of a queue that may hold them", full)
	}
	f.Queue(Spec{Plugin: "http-log", Key: "c", Config: c, Send: other.send}).Add([]byte("short"))
	other.await(t, 1)
	if got := other.got(); got != "[short]" {
		t.Errorf("another queue has sent %s", got)
	}
	close(held.hold)
	held.await(t, 3*mostBytes/ownBytes)
	for end := time.Now().Add(10 * time.Second); f.held.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are held by empty queues", f.held.Load())
		}
	}
}
